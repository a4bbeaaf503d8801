-- A stage of the queue went well: what failed before is over.
-- Caller: queue.failures. Index: sync_queue_pkey. Writes nothing when there is nothing to clear.
UPDATE sync_queue
SET failure_count = 0, retry_at = NULL, last_error_code = NULL, last_error = NULL
WHERE queue_no = %(queue_no)s
  AND (failure_count > 0 OR retry_at IS NOT NULL OR last_error_code IS NOT NULL)
