-- The queue may be worked again, at once. Caller: queue.actions.resume. Index: sync_queue_pkey.
UPDATE sync_queue SET is_paused = false, retry_at = NULL, updated_at = now()
WHERE queue_no = %(queue_no)s
