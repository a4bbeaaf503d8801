DROP POLICY IF EXISTS sync_every_organization ON sync_page;
DROP INDEX IF EXISTS sync_batch_worked_idx;
ALTER TABLE IF EXISTS sync_batch
    DROP COLUMN IF EXISTS claimed_at,
    DROP COLUMN IF EXISTS worked_at,
    DROP COLUMN IF EXISTS worked_count;
ALTER TABLE IF EXISTS sync_queue DROP COLUMN IF EXISTS work_began_at;
