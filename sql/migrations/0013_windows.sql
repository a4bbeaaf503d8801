-- depends: 0011_orchestration
-- Windows of orders beside the running sync, and what a watermark keeps for a rolling rescan and a
-- replay.
ALTER TABLE sync_queue
    -- It reads records of a span of time, so it stands beside the sync of what changed.
    ADD COLUMN IF NOT EXISTS is_window boolean NOT NULL
        GENERATED ALWAYS AS (filters ?| ARRAY['created_after', 'created_before']) STORED;

-- One open sync of a connection and entity, and one open window beside it.
DROP INDEX IF EXISTS sync_queue_open_idx;
CREATE UNIQUE INDEX sync_queue_open_idx
    ON sync_queue (connection_id, entity, is_window) WHERE stage <> 'finished';

ALTER TABLE sync_watermark
    -- Where in the whole listing the next slice begins that is read besides what changed.
    ADD COLUMN IF NOT EXISTS rescan_offset bigint NOT NULL DEFAULT 0,
    -- What the listing was asked for: part of the salt, told apart from the mapping.
    ADD COLUMN IF NOT EXISTS asked text;
