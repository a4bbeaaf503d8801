-- The function that it replaced goes with 0005.
ALTER TABLE IF EXISTS sync_watermark
    DROP COLUMN IF EXISTS rescan_offset,
    DROP COLUMN IF EXISTS asked,
    DROP COLUMN IF EXISTS highest_id;
-- The index goes with its column, and comes back as it was, unless a window is open beside a sync.
ALTER TABLE IF EXISTS sync_queue DROP COLUMN IF EXISTS is_window;
DO $$
BEGIN
    IF to_regclass('sync_queue') IS NOT NULL THEN
        CREATE UNIQUE INDEX IF NOT EXISTS sync_queue_open_idx
            ON sync_queue (connection_id, entity) WHERE stage <> 'finished';
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$;
