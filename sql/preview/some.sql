-- The first changes that a preview shows: what needs a person, what goes, what changes, what is new.
-- Caller: queue.differences. Index: sync_activity_queue_idx, one queue's range; only the first are kept
--   while it is read.
SELECT a.details ->> 'external_id' AS external_id, substr(a.activity_type, 9) AS what, a.message,
    a.before, a.after, a.details
FROM sync_activity AS a
WHERE a.queue_no = %(queue_no)s AND starts_with(a.activity_type, 'preview_')
  AND a.activity_type NOT IN ('preview_unchanged', 'preview_retried')
ORDER BY array_position(ARRAY['preview_failed', 'preview_deleted', 'preview_updated',
    'preview_created'], a.activity_type), a.line_no
LIMIT %(most)s
