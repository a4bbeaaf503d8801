-- depends: 0012_guests
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
    ADD COLUMN IF NOT EXISTS asked text,
    -- No record that its total counts has an id above this; NULL where that is not known.
    ADD COLUMN IF NOT EXISTS highest_id bigint;

-- As 0009 left it, but for one thing: a window is read whole and proven, and is no whole sync.
CREATE OR REPLACE FUNCTION sync_count_queue(finished_queue_no bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    queue record;
BEGIN
    SELECT
        s.connection_id, s.entity, s.org_id, s.state, s.finished_at, q.tally AS before,
        s.is_complete IS TRUE AND q.filters = '{}' AND s.state IN ('done', 'partial') AS is_whole,
        jsonb_build_object(
            'lines_created', s.created_count,
            'lines_updated', s.updated_count,
            'lines_unchanged', s.done_count - s.created_count - s.updated_count,
            'lines_failed', s.failed_count,
            'lines_cancelled', s.cancelled_count,
            'takeovers', b.takeovers,
            'retries', b.retries) AS counts
    INTO queue
    FROM sync_queue_status AS s
    JOIN sync_queue AS q ON q.queue_no = s.queue_no
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(takeover_count), 0) AS takeovers, coalesce(sum(pass - 1), 0) AS retries
        FROM sync_batch WHERE sync_batch.queue_no = s.queue_no
    ) AS b
    WHERE s.queue_no = finished_queue_no AND s.stage = 'finished';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO sync_counter AS counter (connection_id, entity, name, org_id, value)
    SELECT queue.connection_id, queue.entity, added.name, queue.org_id, added.value
    FROM (
        SELECT key AS name, greatest(
            value::bigint - coalesce((queue.before ->> key)::bigint, 0), 0) AS value
        FROM jsonb_each_text(queue.counts)
        UNION ALL
        SELECT 'queues_' || queue.state, 1 WHERE queue.before ->> 'state' IS NULL
    ) AS added
    ORDER BY added.name
    ON CONFLICT (connection_id, entity, name) DO UPDATE SET value = counter.value + EXCLUDED.value;
    IF queue.is_whole THEN
        INSERT INTO sync_counter AS counter (connection_id, entity, name, org_id, value)
        VALUES (queue.connection_id, queue.entity, 'complete_at', queue.org_id,
            floor(extract(epoch FROM queue.finished_at))::bigint)
        ON CONFLICT (connection_id, entity, name)
        DO UPDATE SET value = greatest(counter.value, EXCLUDED.value);
    END IF;
    UPDATE sync_queue SET tally = queue.counts || jsonb_build_object('state', queue.state)
    WHERE queue_no = finished_queue_no;
END $$;
