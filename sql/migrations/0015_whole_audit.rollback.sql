DROP TRIGGER IF EXISTS sync_activity_log_not_emptied ON sync_activity_log;
