-- Every line that a remote record had, oldest first, and what its queue is. Caller: queue.story.
-- Index: sync_queue_latest_idx (the queues of the connection), then sync_line_external_idx.
SELECT s.queue_no, s.line_no, s.queue_id, s.state, s.process_count, s.error_count, s.error_code,
    s.error_message, s.last_error_at, s.finished_at, s.created_at, q.filters, q.created_by,
    s.payload -> '_change' AS change
FROM sync_line_status AS s
JOIN sync_queue AS q ON q.queue_no = s.queue_no
WHERE s.connection_id = %(connection_id)s AND s.entity = %(entity)s
  AND s.external_id = %(external_id)s
ORDER BY s.queue_no
