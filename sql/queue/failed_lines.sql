-- The lines of a queue that failed, newest first. Caller: queue.progress.failed_lines.
-- Index: sync_line_written_idx.
SELECT external_id, error_code, error_message, last_error_at FROM sync_line
WHERE queue_no = %(queue_no)s AND state IS NOT NULL AND state = 'failed'
ORDER BY last_error_at DESC, line_no LIMIT %(most)s
