-- depends: 0010_ranges_at_once
-- One request over several connections and entities: what was asked for, the queues that came of it,
-- the answers to keys, and what was done to it as a whole.

CREATE TABLE IF NOT EXISTS sync_orchestration (
    orchestration_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    systems text[] NOT NULL DEFAULT '{}',
    entities text[] NOT NULL DEFAULT '{}',
    is_full boolean NOT NULL DEFAULT false,
    -- Of everything that was asked for: the same request again joins one that is unfinished.
    request_hash uuid NOT NULL,
    idempotency_key text,
    cancelled_at timestamptz,
    -- The end that the audit tells of already; NULL: none.
    noted_state text,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sync_orchestration_org_idx
    ON sync_orchestration (org_id, created_at DESC);
CREATE INDEX IF NOT EXISTS sync_orchestration_request_idx
    ON sync_orchestration (org_id, request_hash, orchestration_no DESC);
CREATE INDEX IF NOT EXISTS sync_orchestration_created_idx ON sync_orchestration (created_at DESC);

-- One connection and entity of an orchestration, and its queue or why it has none.
CREATE TABLE IF NOT EXISTS sync_orchestration_item (
    orchestration_no bigint NOT NULL
        REFERENCES sync_orchestration (orchestration_no) ON DELETE CASCADE,
    connection_id bigint NOT NULL,
    entity text NOT NULL,
    org_id sync_org_id NOT NULL,
    -- In dependency order within a connection.
    place integer NOT NULL DEFAULT 0,
    -- Not a foreign key: queues are purged before their orchestration.
    queue_no bigint,
    -- The queue was open before.
    is_joined boolean NOT NULL DEFAULT false,
    refusal text,
    -- What the queue ended with, and when it was purged.
    tally jsonb,
    purged_at timestamptz,
    PRIMARY KEY (orchestration_no, connection_id, entity)
);
CREATE INDEX IF NOT EXISTS sync_orchestration_item_queue_idx
    ON sync_orchestration_item (queue_no) WHERE queue_no IS NOT NULL;

-- What a key was used for and answered with; of use for 24 hours.
CREATE TABLE IF NOT EXISTS sync_idempotency_log (
    org_id sync_org_id NOT NULL,
    key text NOT NULL,
    request_hash uuid NOT NULL,
    answer jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, key)
);
CREATE INDEX IF NOT EXISTS sync_idempotency_log_created_idx ON sync_idempotency_log (created_at);

-- What happened to an orchestration as a whole, by whom and why. Append-only.
CREATE TABLE IF NOT EXISTS sync_activity_log (
    activity_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    orchestration_no bigint,
    org_id sync_org_id NOT NULL,
    activity_type text NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'info', 'warning', 'error')),
    message text NOT NULL,
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sync_activity_log_orchestration_idx
    ON sync_activity_log (orchestration_no, created_at);

CREATE OR REPLACE FUNCTION sync_activity_log_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('app.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'sync_activity_log is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Write a new activity row. Retention runs with app.retention = on.';
END $$;
DROP TRIGGER IF EXISTS sync_activity_log_append_only ON sync_activity_log;
CREATE TRIGGER sync_activity_log_append_only BEFORE UPDATE OR DELETE ON sync_activity_log
    FOR EACH STATEMENT EXECUTE FUNCTION sync_activity_log_is_append_only();

ALTER TABLE sync_queue
    -- Queues of the same connection that come first, for thrift; results do not depend on it.
    ADD COLUMN IF NOT EXISTS depends_on bigint[] NOT NULL DEFAULT '{}',
    -- The orchestration that opened it; others may have joined it (sync_orchestration_item).
    ADD COLUMN IF NOT EXISTS orchestration_no bigint;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'sync_orchestration', 'sync_orchestration_item', 'sync_idempotency_log', 'sync_activity_log'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (org_id = '
            '(SELECT nullif(current_setting(''app.org_id'', true), '''')::sync_org_id))', name);
    END LOOP;
    -- Who decides what runs next sees which queues belong together, of every organization.
    FOREACH name IN ARRAY ARRAY['sync_orchestration', 'sync_orchestration_item'] LOOP
        EXECUTE format('DROP POLICY IF EXISTS sync_every_organization ON %I', name);
        EXECUTE format(
            'CREATE POLICY sync_every_organization ON %I FOR SELECT TO sync_control USING (true)',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON sync_orchestration, sync_orchestration_item, sync_idempotency_log
    TO sync_worker;
GRANT SELECT, INSERT ON sync_activity_log TO sync_worker;
GRANT SELECT ON sync_orchestration, sync_orchestration_item TO sync_control;
