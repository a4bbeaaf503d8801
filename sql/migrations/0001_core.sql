-- The schema of a sync: connections, queues, batches, lines, records, activity, conflicts.
-- organization, "user" and customer belong to the company: they are created only when absent, get
-- the columns they lack, and are never dropped.

-- Roles are shared by all databases of a server, so another migration may be making them now, and
-- an administrator may have made and granted them for a login that may not.
DO $$
DECLARE
    name text;
    -- From PostgreSQL 16 on, who makes a role is a member of it that cannot yet become it.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000
                            THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH name IN ARRAY ARRAY['sync_worker', 'sync_control'] LOOP
        IF to_regrole(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, membership) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', name, current_user);
            EXCEPTION WHEN unique_violation OR internal_error OR duplicate_object THEN NULL;
            END;
        END IF;
    END LOOP;
END $$;

-- An organization's key has the type that the company's own table has: uuid, text or bigint.
DO $$
DECLARE
    key_type text;
BEGIN
    IF to_regtype('sync_org_id') IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT format_type(a.atttypid, a.atttypmod) INTO key_type
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass('organization') AND a.attname = 'id' AND NOT a.attisdropped;
    EXECUTE format('CREATE DOMAIN sync_org_id AS %s', coalesce(key_type, 'text'));
END $$;

CREATE TABLE IF NOT EXISTS organization (
    id sync_org_id PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "user" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL REFERENCES organization (id),
    email text NOT NULL,
    name text,
    role text NOT NULL DEFAULT 'member',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- No foreign key on org_id: it was checked row by row (14 us each), and row-level security already
-- holds every row to the transaction's organization.
CREATE TABLE IF NOT EXISTS customer (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    name text NOT NULL,
    email text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE customer ADD COLUMN IF NOT EXISTS phone text;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS company text;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS lifetime_value numeric;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS segment text;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS status text;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS acquisition_date timestamptz;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS last_interaction_date timestamptz;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS address jsonb;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS metadata jsonb;
ALTER TABLE customer ADD COLUMN IF NOT EXISTS tags text[];
ALTER TABLE customer ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now();
-- Stored, because lower(email) is not leakproof: under row-level security it could not use an
-- index (20,000 rows read instead of 1).
ALTER TABLE customer ADD COLUMN IF NOT EXISTS email_normalized text
    GENERATED ALWAYS AS (nullif(lower(btrim(email)), '')) STORED;

DO $$
DECLARE
    id_type text;
BEGIN
    SELECT format_type(a.atttypid, a.atttypmod) INTO id_type
    FROM pg_attribute AS a
    WHERE a.attrelid = 'customer'::regclass AND a.attname = 'id' AND NOT a.attisdropped;
    IF id_type IS DISTINCT FROM 'uuid' THEN
        RAISE EXCEPTION 'customer.id is %, the sync needs uuid', coalesce(id_type, 'missing')
            USING HINT = 'Give customer a uuid key, then migrate again.';
    END IF;
END $$;

-- Unique where the company's data allows it. Where it already holds one e-mail twice, a new record
-- takes the first that the index names, a known one keeps its own, and the database alone no longer
-- guards a race on that very e-mail.
DO $$
BEGIN
    IF to_regclass('customer_org_email_idx') IS NULL THEN
        BEGIN
            CREATE UNIQUE INDEX customer_org_email_idx ON customer (org_id, email_normalized);
        EXCEPTION WHEN unique_violation THEN
            CREATE INDEX customer_org_email_idx ON customer (org_id, email_normalized);
            RAISE WARNING 'customer holds e-mail addresses twice: its index is not unique';
        END;
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS sync_connection (
    connection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id sync_org_id NOT NULL,
    -- A name is a Dagster partition key, so it is unique over all organizations.
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    system text NOT NULL CHECK (system IN ('woocommerce', 'odoo')),
    base_url text NOT NULL,
    key_env text NOT NULL,
    secret_env text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    -- The page size that this store managed last; slow hosts fall back 100, 50, 25, 10.
    page_records integer NOT NULL DEFAULT 100 CHECK (page_records BETWEEN 1 AND 100),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sync_connection_org_idx ON sync_connection (org_id);

-- Identity: which of our rows a remote record is, and the content that was last applied.
CREATE TABLE IF NOT EXISTS sync_record (
    connection_id bigint NOT NULL,
    entity text NOT NULL,
    external_id text NOT NULL,
    org_id sync_org_id NOT NULL,
    local_id uuid NOT NULL,
    content_hash uuid NOT NULL,
    origin text NOT NULL CHECK (origin IN ('created', 'matched')),
    origin_queue_no bigint NOT NULL,
    applied_queue_no bigint NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    tombstoned_at timestamptz,
    PRIMARY KEY (connection_id, entity, external_id)
) WITH (fillfactor = 80);
-- Two remote records never own one row of ours.
CREATE UNIQUE INDEX IF NOT EXISTS sync_record_local_idx
    ON sync_record (local_id, connection_id, entity) WHERE tombstoned_at IS NULL;

-- Source time up to which a listing is read whole. Moves in the transaction that makes the lines.
CREATE TABLE IF NOT EXISTS sync_watermark (
    connection_id bigint NOT NULL,
    listing text NOT NULL,
    org_id sync_org_id NOT NULL,
    watermark_utc timestamptz NOT NULL,
    queue_no bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, listing)
);

CREATE TABLE IF NOT EXISTS sync_queue (
    queue_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    connection_id bigint NOT NULL REFERENCES sync_connection (connection_id),
    entity text NOT NULL,
    queue_name text NOT NULL,
    source_system text NOT NULL,
    idempotency_key text,
    filters jsonb NOT NULL DEFAULT '{}',
    batch_size integer NOT NULL CHECK (batch_size > 0),
    batch_delay_ms integer NOT NULL CHECK (batch_delay_ms >= 0),
    max_retries integer NOT NULL CHECK (max_retries >= 0),
    initial_backoff_ms integer NOT NULL CHECK (initial_backoff_ms >= 0),
    lifetime_value_rule text NOT NULL,
    -- extract -> enqueue -> apply -> finished; each stage may be stopped and goes on where it was.
    stage text NOT NULL DEFAULT 'extract'
        CHECK (stage IN ('extract', 'enqueue', 'apply', 'finished')),
    stage_lease_until timestamptz,
    is_paused boolean NOT NULL DEFAULT false,
    cancelled_at timestamptz,
    scanned_count bigint NOT NULL DEFAULT 0,
    source_total bigint,
    unchanged_count bigint NOT NULL DEFAULT 0,
    -- NULL: not proven yet, or a filter was set and there is nothing to prove.
    is_complete boolean,
    extract_note jsonb NOT NULL DEFAULT '{}',
    reconciliation jsonb,
    is_action_required boolean NOT NULL DEFAULT false,
    action_required_reason text,
    process_count integer NOT NULL DEFAULT 0,
    last_dagster_run_id text,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_process_date timestamptz,
    finished_at timestamptz,
    CHECK ((stage = 'finished') = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS sync_queue_idempotency_idx
    ON sync_queue (connection_id, entity, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- One open sync of a connection and entity: a second start joins it.
CREATE UNIQUE INDEX IF NOT EXISTS sync_queue_open_idx
    ON sync_queue (connection_id, entity) WHERE stage <> 'finished';
CREATE INDEX IF NOT EXISTS sync_queue_latest_idx
    ON sync_queue (connection_id, entity, created_at DESC);
CREATE INDEX IF NOT EXISTS sync_queue_org_idx ON sync_queue (org_id, created_at DESC);
CREATE INDEX IF NOT EXISTS sync_queue_id_text_idx ON sync_queue ((id::text));

-- What the remote system answered, before anybody judged it.
CREATE TABLE IF NOT EXISTS sync_page (
    queue_no bigint NOT NULL,
    listing text NOT NULL,
    first_offset integer NOT NULL,
    record_limit integer NOT NULL,
    org_id sync_org_id NOT NULL,
    n_records integer NOT NULL,
    total integer,
    body jsonb NOT NULL,
    noise text,
    elapsed_ms integer NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (queue_no, listing, first_offset, record_limit)
);

-- ready -> processing -> done, back to ready for a retry pass, or cancelled.
CREATE TABLE IF NOT EXISTS sync_batch (
    queue_no bigint NOT NULL,
    batch_no integer NOT NULL,
    org_id sync_org_id NOT NULL,
    first_line integer NOT NULL,
    last_line integer NOT NULL,
    state text NOT NULL DEFAULT 'ready'
        CHECK (state IN ('ready', 'processing', 'done', 'cancelled')),
    token bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    -- Lines that were never written follow their batch in pass 1 and are done in any later pass.
    pass integer NOT NULL DEFAULT 1,
    available_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    worker text,
    n_total integer NOT NULL,
    n_done integer NOT NULL DEFAULT 0,
    n_failed integer NOT NULL DEFAULT 0,
    n_cancelled integer NOT NULL DEFAULT 0,
    n_created integer NOT NULL DEFAULT 0,
    n_updated integer NOT NULL DEFAULT 0,
    n_unchanged integer NOT NULL DEFAULT 0,
    finished_at timestamptz,
    PRIMARY KEY (queue_no, batch_no),
    CHECK ((state = 'processing') = (lease_until IS NOT NULL)),
    CHECK (n_done + n_failed + n_cancelled <= n_total),
    CHECK (n_created + n_updated + n_unchanged = n_done)
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS sync_batch_lines_idx ON sync_batch (queue_no, first_line);
CREATE INDEX IF NOT EXISTS sync_batch_open_idx
    ON sync_batch (queue_no, batch_no) WHERE state IN ('ready', 'processing');

-- A line is written when it is made and again only when it did not go well.
CREATE TABLE IF NOT EXISTS sync_line (
    queue_no bigint NOT NULL,
    line_no integer NOT NULL,
    org_id sync_org_id NOT NULL,
    external_id text NOT NULL,
    content_hash uuid NOT NULL,
    -- NULL: as its batch says (see sync_batch.pass).
    state text CHECK (state IN ('draft', 'done', 'failed', 'cancelled')),
    process_count smallint NOT NULL DEFAULT 0,
    error_count smallint NOT NULL DEFAULT 0,
    error_code text,
    error_message text,
    last_error_at timestamptz,
    payload jsonb NOT NULL,
    PRIMARY KEY (queue_no, line_no)
);
CREATE UNIQUE INDEX IF NOT EXISTS sync_line_external_idx ON sync_line (queue_no, external_id);
CREATE INDEX IF NOT EXISTS sync_line_written_idx
    ON sync_line (queue_no, last_error_at DESC) WHERE state IS NOT NULL;

-- lz4 is 1.6 times the COPY rate of pglz at 2.3 KB; the embedded server is built without it.
DO $$
BEGIN
    ALTER TABLE sync_line ALTER COLUMN payload SET COMPRESSION lz4;
    ALTER TABLE sync_page ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;

-- What happened to which line, when, from what to what. Append-only.
CREATE TABLE IF NOT EXISTS sync_activity (
    activity_no bigint GENERATED ALWAYS AS IDENTITY (CACHE 100),
    queue_no bigint,
    line_no integer,
    org_id sync_org_id NOT NULL,
    activity_type text NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'info', 'warning', 'error')),
    -- NULL: the routine sentence of its type; the view says it.
    message text,
    before jsonb,
    after jsonb,
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS sync_activity_queue_idx ON sync_activity (queue_no, created_at);

CREATE OR REPLACE FUNCTION sync_activity_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('app.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'sync_activity is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Write a new activity row. Retention runs with app.retention = on.';
END $$;
DROP TRIGGER IF EXISTS sync_activity_append_only ON sync_activity;
CREATE TRIGGER sync_activity_append_only BEFORE UPDATE OR DELETE ON sync_activity
    FOR EACH STATEMENT EXECUTE FUNCTION sync_activity_is_append_only();

CREATE TABLE IF NOT EXISTS sync_conflict (
    conflict_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    org_id sync_org_id NOT NULL,
    connection_id bigint NOT NULL,
    entity text NOT NULL,
    external_id text NOT NULL,
    queue_no bigint NOT NULL,
    line_no integer,
    conflict_type text NOT NULL CHECK (conflict_type IN
        ('DataMismatch', 'DuplicateKey', 'ValidationError', 'AuthError', 'RetryExhausted')),
    strategy text NOT NULL DEFAULT 'Manual' CHECK (strategy IN ('AutoRetry', 'Manual', 'Skip')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'skipped')),
    message text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    CHECK ((state = 'open') = (resolved_at IS NULL))
);
-- The same trouble met again by a later sync is the same conflict.
CREATE UNIQUE INDEX IF NOT EXISTS sync_conflict_open_idx
    ON sync_conflict (connection_id, entity, external_id, conflict_type) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS sync_conflict_queue_idx ON sync_conflict (queue_no);
CREATE INDEX IF NOT EXISTS sync_conflict_record_idx
    ON sync_conflict (connection_id, entity, external_id);

-- What the customer figures need of every order of a store.
CREATE TABLE IF NOT EXISTS sync_order_figure (
    connection_id bigint NOT NULL,
    order_id bigint NOT NULL,
    org_id sync_org_id NOT NULL,
    customer_id bigint NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    total numeric NOT NULL,
    refunded numeric NOT NULL,
    created_utc timestamptz,
    modified_utc timestamptz,
    PRIMARY KEY (connection_id, order_id)
);

-- WordPress encodes names for HTML on the way in: decode them once, and only once ("&amp;lt;"
-- means "&lt;"). Most names hold no ampersand and take the first branch.
CREATE OR REPLACE FUNCTION sync_html_decode(encoded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    decoded text := '';
    rest text := encoded;
    entity text[];
    code bigint;
BEGIN
    LOOP
        entity := regexp_match(rest, '^(.*?)&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp);(.*)$');
        EXIT WHEN entity IS NULL;
        code := CASE
            WHEN entity[2] ~ '^#[xX]'
                THEN ('x' || lpad(substr(entity[2], 3), 16, '0'))::bit(64)::bigint
            WHEN entity[2] LIKE '#%' THEN substr(entity[2], 2)::bigint
            WHEN entity[2] = 'amp' THEN 38
            WHEN entity[2] = 'lt' THEN 60
            WHEN entity[2] = 'gt' THEN 62
            WHEN entity[2] = 'quot' THEN 34
            WHEN entity[2] = 'apos' THEN 39
            ELSE 160
        END;
        decoded := decoded || entity[1] || CASE
            WHEN code = 0 OR code > 1114111 OR code BETWEEN 55296 AND 57343
                THEN '&' || entity[2] || ';'
            ELSE chr(code::integer)
        END;
        rest := entity[3];
    END LOOP;
    RETURN decoded || rest;
END $$;

-- Row-level security. The worker sees one organization per transaction; without one it sees
-- nothing. Everybody else keeps the rights that the table's owner gave them: where the company has
-- no row-level security of its own they see every row as before, and where it has, its policies stay
-- the only ones for them, and cannot show the worker more than its organization.
DO $$
DECLARE
    name text;
    key text;
    is_guarded_already boolean;
    own_rows text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'organization', 'user', 'customer', 'sync_connection', 'sync_record', 'sync_watermark',
        'sync_queue', 'sync_page', 'sync_batch', 'sync_line', 'sync_activity', 'sync_conflict',
        'sync_order_figure'
    ] LOOP
        IF name = 'user' THEN
            -- Without an organization's column nothing tells whose rows they are: none for us.
            CONTINUE WHEN NOT EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = to_regclass('"user"') AND attname = 'org_id'
                  AND NOT attisdropped);
            GRANT SELECT ON "user" TO sync_worker;
        END IF;
        key := CASE name WHEN 'organization' THEN 'id' ELSE 'org_id' END;
        own_rows := format('%I = (SELECT nullif(current_setting(''app.org_id'', true), '
            || ''''')::sync_org_id)', key);
        SELECT relrowsecurity AND NOT EXISTS (
                SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'sync_others')
            INTO is_guarded_already
        FROM pg_class AS c WHERE c.oid = to_regclass(quote_ident(name));
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_others ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_no_more ON %I', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (%s)',
            name, own_rows);
        CONTINUE WHEN name LIKE 'sync\_%';
        IF is_guarded_already THEN
            EXECUTE format('CREATE POLICY sync_no_more ON %I AS RESTRICTIVE TO sync_worker '
                'USING (current_user <> ''sync_worker'' OR %s)', name, own_rows);
        ELSE
            EXECUTE format('CREATE POLICY sync_others ON %I TO PUBLIC USING '
                '(current_user NOT IN (''sync_worker'', ''sync_control''))', name);
        END IF;
    END LOOP;
    -- Who decides what runs next sees every organization's connections and queues, no records.
    FOREACH name IN ARRAY ARRAY['sync_connection', 'sync_queue', 'sync_batch'] LOOP
        EXECUTE format('DROP POLICY IF EXISTS sync_every_organization ON %I', name);
        EXECUTE format(
            'CREATE POLICY sync_every_organization ON %I FOR SELECT TO sync_control USING (true)',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON organization, customer, sync_connection, sync_record,
    sync_watermark, sync_queue, sync_batch, sync_line, sync_conflict, sync_order_figure
    TO sync_worker;
GRANT SELECT, INSERT ON sync_activity TO sync_worker;
GRANT SELECT, INSERT, DELETE ON sync_page TO sync_worker;
GRANT DELETE ON sync_order_figure TO sync_worker;
GRANT SELECT ON sync_connection, sync_queue, sync_batch TO sync_control;
