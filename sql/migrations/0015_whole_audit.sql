-- depends: 0013_windows
-- The audit of orchestrations cannot be emptied either: what TRUNCATE takes away, no policy sees.
DROP TRIGGER IF EXISTS sync_activity_log_not_emptied ON sync_activity_log;
CREATE TRIGGER sync_activity_log_not_emptied BEFORE TRUNCATE ON sync_activity_log
    FOR EACH STATEMENT EXECUTE FUNCTION sync_activity_log_is_append_only();
