-- How the newest queues of all organizations stand. Caller: queue.progress.recent, as sync_control.
-- Index: none over all organizations; finished queues are kept 30 days, so there are thousands.
--   What stands in the view is looked up for the newest alone.
SELECT p.*
FROM (
    SELECT queue_no FROM sync_queue ORDER BY created_at DESC, queue_no DESC LIMIT %(most)s
) AS newest
JOIN sync_queue_progress AS p ON p.queue_no = newest.queue_no
ORDER BY p.created_at DESC, p.queue_no DESC
