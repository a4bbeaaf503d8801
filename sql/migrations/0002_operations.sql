-- depends: 0001_core
-- What a sync that nobody watches remembers: why its last run failed, when to try again, whether an
-- operator ended it, and when its lines began to be applied.

ALTER TABLE sync_queue
    -- Read everything, not what changed since the watermark.
    ADD COLUMN IF NOT EXISTS is_full boolean NOT NULL DEFAULT false,
    -- Runs in a row that a passing fault ended; the wait before the next grows with it.
    ADD COLUMN IF NOT EXISTS failure_count integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS retry_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_error_code text,
    ADD COLUMN IF NOT EXISTS last_error text,
    ADD COLUMN IF NOT EXISTS forced_done_at timestamptz,
    ADD COLUMN IF NOT EXISTS apply_began_at timestamptz;

-- Queues that somebody may have to work: the sensors read nothing else, however long the history.
CREATE INDEX IF NOT EXISTS sync_queue_unfinished_idx
    ON sync_queue (queue_no) WHERE stage <> 'finished';
