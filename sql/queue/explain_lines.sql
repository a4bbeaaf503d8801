-- Every line that a remote record had, oldest first. Caller: queue.explain.
-- Index: sync_queue_latest_idx (the queues of the connection), then sync_line_external_idx.
SELECT queue_no, line_no, queue_id, state, process_count, error_count, error_code, error_message,
    last_error_at, finished_at, created_at
FROM sync_line_status
WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND external_id = %(external_id)s
ORDER BY queue_no
