-- Every change that a preview shows. Caller: queue.differences, through a cursor.
-- Index: sync_activity_queue_idx, one queue's range.
SELECT a.details ->> 'external_id' AS external_id, substr(a.activity_type, 9) AS what, a.message,
    a.before, a.after, a.details
FROM sync_activity AS a
WHERE a.queue_no = %(queue_no)s AND starts_with(a.activity_type, 'preview_')
  AND a.activity_type NOT IN ('preview_unchanged', 'preview_retried')
ORDER BY a.created_at
