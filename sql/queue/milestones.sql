-- What happened to a queue as a whole, oldest first. Caller: queue.progress.milestones.
-- Index: sync_activity_queue_idx.
SELECT activity_type, status, message, details, created_at FROM sync_activity
WHERE queue_no = %(queue_no)s AND line_no IS NULL
ORDER BY created_at, activity_no
