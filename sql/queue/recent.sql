-- The newest queues of all organizations. Caller: queue.progress.recent, as sync_control.
-- Index: none over all organizations; finished queues are kept 30 days, so there are thousands.
SELECT queue_no, org_id::text AS org_id FROM sync_queue
ORDER BY created_at DESC, queue_no DESC LIMIT %(most)s
