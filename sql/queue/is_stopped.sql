-- Whether an operator wants the queue to stop. Caller: queue.queues.is_stopped.
-- Index: sync_queue_pkey.
SELECT is_paused OR cancelled_at IS NOT NULL OR forced_done_at IS NOT NULL AS is_stopped
FROM sync_queue WHERE queue_no = %(queue_no)s
