ALTER TABLE IF EXISTS sync_queue
    DROP COLUMN IF EXISTS is_full,
    DROP COLUMN IF EXISTS failure_count,
    DROP COLUMN IF EXISTS retry_at,
    DROP COLUMN IF EXISTS last_error_code,
    DROP COLUMN IF EXISTS last_error,
    DROP COLUMN IF EXISTS forced_done_at,
    DROP COLUMN IF EXISTS apply_began_at;
