-- Delete activity about no queue that is past its time.
-- Caller: queue.retention, with app.retention = on. Index: none; such rows are few.
DELETE FROM sync_activity_general WHERE created_at < %(before_utc)s
