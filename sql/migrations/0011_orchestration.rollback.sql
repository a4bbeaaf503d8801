DROP TABLE IF EXISTS sync_orchestration_item;
DROP TABLE IF EXISTS sync_orchestration;
DROP TABLE IF EXISTS sync_idempotency_log;
DROP TABLE IF EXISTS sync_activity_log;
DROP FUNCTION IF EXISTS sync_activity_log_is_append_only();
ALTER TABLE IF EXISTS sync_queue
    DROP COLUMN IF EXISTS depends_on,
    DROP COLUMN IF EXISTS orchestration_no;
