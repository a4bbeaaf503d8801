-- depends: 0002_operations
-- What rates are made of: when a process began to work on a queue, when a batch was claimed, and
-- what it brought when somebody last worked on it.

-- A rate counts from here at the earliest: the time a queue stood still says nothing of its pace.
ALTER TABLE sync_queue ADD COLUMN IF NOT EXISTS work_began_at timestamptz;

ALTER TABLE sync_batch
    ADD COLUMN IF NOT EXISTS claimed_at timestamptz,
    ADD COLUMN IF NOT EXISTS worked_at timestamptz,
    -- Lines that came to an end then. Not n_done: a batch whose one failed line is retried days
    -- later brings one line, not all of them again.
    ADD COLUMN IF NOT EXISTS worked_count integer NOT NULL DEFAULT 0;

-- The batches of the last minute, and the last one of all, however many there are.
CREATE INDEX IF NOT EXISTS sync_batch_worked_idx
    ON sync_batch (queue_no, worked_at) WHERE worked_at IS NOT NULL;

-- Who decides what runs next sees how much was read, and nothing of what was read.
GRANT SELECT (queue_no, listing, n_records, total, fetched_at) ON sync_page TO sync_control;
DROP POLICY IF EXISTS sync_every_organization ON sync_page;
CREATE POLICY sync_every_organization ON sync_page FOR SELECT TO sync_control USING (true);
