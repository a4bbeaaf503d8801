-- depends: 0002_operations
-- What monitors count: calls to stores, and what queues ended with. Runs are short-lived processes
-- and history is dropped, so the counts live in rows of their own that only grow.

-- Leases of the batch that ran out and were taken over.
ALTER TABLE sync_batch ADD COLUMN IF NOT EXISTS takeover_count integer NOT NULL DEFAULT 0;

-- What of this queue is in sync_counter, and its state then. NULL: nothing yet. A queue that was
-- opened again adds only what came on top.
ALTER TABLE sync_queue ADD COLUMN IF NOT EXISTS tally jsonb;

CREATE TABLE IF NOT EXISTS sync_counter (
    connection_id bigint NOT NULL,
    entity text NOT NULL,
    -- lines_*, queues_*, takeovers, retries; complete_at: seconds of 1970 of the last whole sync.
    name text NOT NULL,
    org_id sync_org_id NOT NULL,
    value bigint NOT NULL CHECK (value >= 0),
    PRIMARY KEY (connection_id, entity, name)
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS sync_call_stat (
    connection_id bigint NOT NULL,
    -- "ok", or the code of the error.
    code text NOT NULL,
    org_id sync_org_id NOT NULL,
    calls bigint NOT NULL,
    seconds double precision NOT NULL,
    waited_seconds double precision NOT NULL,
    -- Calls by their duration, each in one bucket; the bounds are in sources/call_stats.py.
    buckets bigint[] NOT NULL,
    PRIMARY KEY (connection_id, code)
) WITH (fillfactor = 50);

-- Add what a finished queue ended with to the counters; what was added before is not added again.
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
        SELECT 'queues_' || queue.state, 1
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
        -- Opened again: lines that failed are tried again, and may fail a second time.
        UPDATE sync_queue SET tally = tally || '{"lines_failed": 0}'
        WHERE queue_no = NEW.queue_no AND tally IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
-- Once per queue, whoever ends it and how. Deferred: an operator's cancel changes the queue and its
-- batches in either order, and this looks at what is there when the transaction commits.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                   WHERE tgname = 'sync_queue_ended' AND tgrelid = 'sync_queue'::regclass) THEN
        CREATE CONSTRAINT TRIGGER sync_queue_ended AFTER UPDATE OF stage ON sync_queue
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            WHEN ((OLD.stage = 'finished') <> (NEW.stage = 'finished'))
            EXECUTE FUNCTION sync_queue_ended();
    END IF;
    -- Queues that ended before there were counters; a new database has no view and no queue yet.
    IF to_regclass('sync_queue_status') IS NOT NULL THEN
        PERFORM sync_count_queue(queue_no) FROM sync_queue
        WHERE stage = 'finished' AND tally IS NULL;
    END IF;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sync_counter', 'sync_call_stat'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_every_organization ON %I', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING '
            '(org_id = (SELECT nullif(current_setting(''app.org_id'', true), '''')::sync_org_id))',
            name);
        EXECUTE format(
            'CREATE POLICY sync_every_organization ON %I FOR SELECT TO sync_control USING (true)',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON sync_counter, sync_call_stat TO sync_worker;
GRANT SELECT ON sync_counter, sync_call_stat TO sync_control;
