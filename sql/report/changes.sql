-- The last records that a queue created, changed, removed or could not apply, with what they were and are.
-- Caller: orchestration.figures. Index: sync_activity_queue_idx from its newest end, sync_line_pkey.
SELECT a.activity_type, l.external_id, a.before, a.after, a.message
FROM sync_activity AS a
JOIN sync_line AS l ON l.queue_no = a.queue_no AND l.line_no = a.line_no
WHERE a.queue_no = %(queue_no)s
  AND a.activity_type IN ('record_created', 'record_updated', 'record_deleted', 'record_failed')
ORDER BY a.created_at DESC, a.activity_no DESC
LIMIT %(most)s
