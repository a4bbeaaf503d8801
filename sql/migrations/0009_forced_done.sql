-- depends: 0008_deltas
-- A queue that had ended and is forced done then is done: its tally says so, and its failed lines
-- are counted as cancelled ones. The counters never fall.

-- Add what a finished queue ended with to the counters; what was added before is not added again.
-- A queue that is forced done after it had ended takes another state and does not end again.
CREATE OR REPLACE FUNCTION sync_count_queue(finished_queue_no bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    queue record;
BEGIN
    SELECT
        s.connection_id, s.entity, s.org_id, s.state, s.finished_at, q.tally AS before,
        s.is_complete IS TRUE AND s.state IN ('done', 'partial') AS is_whole,
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

CREATE OR REPLACE FUNCTION sync_queue_ended() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage = 'finished' THEN
        PERFORM sync_count_queue(NEW.queue_no);
    ELSE
        -- Opened again: lines that failed are tried again and may fail a second time, and it ends
        -- again.
        UPDATE sync_queue SET tally = (tally || '{"lines_failed": 0}') - 'state'
        WHERE queue_no = NEW.queue_no AND tally IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
-- Deferred: an operator's action changes the queue and its batches in either order, and this looks
-- at what is there when the transaction commits.
DROP TRIGGER IF EXISTS sync_queue_ended ON sync_queue;
CREATE CONSTRAINT TRIGGER sync_queue_ended AFTER UPDATE OF stage, forced_done_at ON sync_queue
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.stage = 'finished') <> (NEW.stage = 'finished')
          OR NEW.stage = 'finished' AND OLD.forced_done_at IS DISTINCT FROM NEW.forced_done_at)
    EXECUTE FUNCTION sync_queue_ended();

-- Queues that were opened again, or forced done, before.
UPDATE sync_queue SET tally = tally - 'state' WHERE stage <> 'finished' AND tally ? 'state';
DO $$
BEGIN
    -- A new database has no view and no queue yet.
    IF to_regclass('sync_queue_status') IS NOT NULL THEN
        PERFORM sync_count_queue(queue_no) FROM sync_queue
        WHERE stage = 'finished' AND forced_done_at IS NOT NULL AND tally ->> 'state' <> 'done';
    END IF;
END $$;
