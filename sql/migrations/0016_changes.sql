-- depends: 0015_whole_audit
-- What three-way comparison, deletion, preview and undo need of every table.

ALTER TABLE sync_record
    -- The values of our columns that the record was last taken to have, whether a person's edit here
    -- was kept beside them or not. NULL: applied before this column was.
    ADD COLUMN IF NOT EXISTS base jsonb,
    -- Trusted whole readings in a row that did not show the record, and the last of them.
    ADD COLUMN IF NOT EXISTS absence_count smallint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS absent_queue_no bigint,
    -- Why it was retired: deleted, trashed, merged, reverted. NULL where another record took over.
    ADD COLUMN IF NOT EXISTS tombstone_reason text;
CREATE INDEX IF NOT EXISTS sync_record_absent_idx
    ON sync_record (connection_id, entity) WHERE absence_count > 0;

ALTER TABLE sync_batch
    -- upsert: remote records. checked: the same, each only if it does what a preview showed.
    -- change: instructions about rows of ours. preview: decided and told, nothing written.
    ADD COLUMN IF NOT EXISTS operation text NOT NULL DEFAULT 'upsert'
        CHECK (operation IN ('upsert', 'checked', 'change', 'preview')),
    ADD COLUMN IF NOT EXISTS n_deleted integer NOT NULL DEFAULT 0;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'sync_batch'::regclass AND contype = 'c' AND conname <> 'sync_batch_done_check'
          AND pg_get_constraintdef(oid) LIKE '%n_unchanged) = n_done%'
    LOOP
        EXECUTE format('ALTER TABLE sync_batch DROP CONSTRAINT %I', name);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'sync_batch'::regclass AND conname = 'sync_batch_done_check') THEN
        ALTER TABLE sync_batch ADD CONSTRAINT sync_batch_done_check
            CHECK (n_created + n_updated + n_unchanged + n_deleted = n_done);
    END IF;
END $$;

-- What a preview said that the line does; NULL: nobody was told.
ALTER TABLE sync_line ADD COLUMN IF NOT EXISTS expected uuid;

ALTER TABLE sync_queue
    -- It stands beside the syncs of its connection and entity and is none of them: it takes back,
    -- resolves or only shows.
    ADD COLUMN IF NOT EXISTS is_beside boolean NOT NULL
        GENERATED ALWAYS AS (filters ?| ARRAY['reverts', 'resolves', 'preview']) STORED,
    -- What the sync proved when it ended.
    ADD COLUMN IF NOT EXISTS certificate jsonb;
DROP INDEX IF EXISTS sync_queue_open_idx;
CREATE UNIQUE INDEX sync_queue_open_idx
    ON sync_queue (connection_id, entity, is_window) WHERE stage <> 'finished' AND NOT is_beside;

ALTER TABLE sync_conflict
    -- Grows with every change of what is in dispute: who decides names the version that was shown.
    ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS tries integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS next_try_at timestamptz,
    -- The queue that applies the decision.
    ADD COLUMN IF NOT EXISTS resolution_queue_no bigint;

-- Rows that were taken out of their tables, whole, for as long as anybody may want them.
CREATE TABLE IF NOT EXISTS sync_archive (
    archive_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id sync_org_id NOT NULL,
    connection_id bigint NOT NULL,
    entity text NOT NULL,
    external_id text NOT NULL,
    local_id uuid NOT NULL,
    queue_no bigint NOT NULL,
    contents jsonb NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    -- Put back since.
    restored_at timestamptz
);
CREATE INDEX IF NOT EXISTS sync_archive_record_idx
    ON sync_archive (connection_id, entity, external_id, archive_no DESC);
ALTER TABLE sync_archive ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS sync_own_organization ON sync_archive;
CREATE POLICY sync_own_organization ON sync_archive TO sync_worker USING (org_id =
    (SELECT nullif(current_setting('app.org_id', true), '')::sync_org_id));
GRANT SELECT, INSERT, UPDATE ON sync_archive TO sync_worker;
GRANT DELETE ON customer, product, sales_order, inventory_level, payment TO sync_worker;

-- Nothing is said by it: null, an empty text or list, or an object of such.
CREATE OR REPLACE FUNCTION sync_is_blank(given jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT given IS NULL OR given IN ('null', '""', '[]', '{}')
        OR jsonb_typeof(given) = 'object' AND NOT EXISTS (
            SELECT FROM jsonb_each(given) AS part WHERE part.value NOT IN ('null', '""', '[]', '{}'))
$$;

-- Lists by element and objects by key: what came there and here stays, what went there or here goes;
-- of one key that both changed, theirs.
CREATE OR REPLACE FUNCTION sync_merge_parts(base jsonb, ours jsonb, theirs jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN jsonb_typeof(ours) = 'array' AND jsonb_typeof(theirs) = 'array' THEN (
            SELECT coalesce(jsonb_agg(one.value ORDER BY one.side, one.place), '[]')
            FROM (
                SELECT 1 AS side, o.place, o.value
                FROM jsonb_array_elements(ours) WITH ORDINALITY AS o (value, place)
                WHERE o.value NOT IN (SELECT jsonb_array_elements(had.list))
                   OR o.value IN (SELECT jsonb_array_elements(theirs))
                UNION ALL
                SELECT 2, t.place, t.value
                FROM jsonb_array_elements(theirs) WITH ORDINALITY AS t (value, place)
                WHERE t.value NOT IN (SELECT jsonb_array_elements(ours))
                  AND t.value NOT IN (SELECT jsonb_array_elements(had.list))
            ) AS one)
        WHEN jsonb_typeof(ours) = 'object' AND jsonb_typeof(theirs) = 'object' THEN (
            SELECT coalesce(jsonb_object_agg(one.key, one.value)
                FILTER (WHERE one.value IS NOT NULL), '{}')
            FROM (
                SELECT key, CASE WHEN theirs -> key IS NOT DISTINCT FROM base -> key
                                 THEN ours -> key ELSE theirs -> key END AS value
                FROM jsonb_object_keys(ours || theirs) AS key
            ) AS one)
        ELSE theirs
    END
    -- Not @>: an object contains every object that is a part of it.
    FROM (SELECT CASE jsonb_typeof(base) WHEN 'array' THEN base ELSE '[]' END AS list) AS had
$$;

-- Field by field what a row becomes when both sides may have changed since they last agreed, and the
-- fields that only a person can decide. Pure.
--   base: values that both sides last had; NULL: they never met, a row of ours was found by its key.
--   policies: field -> source_wins | target_wins | newest_wins | manual | merge.
--   is_theirs_newer: for newest_wins; NULL where that is not known, then a person decides.
-- Changed only there: theirs. Changed only here, or to the same: ours. Both, differently: the policy.
-- Of two that never met nobody knows who changed what: theirs is taken, but nothing of ours is erased
-- by what they leave blank, and where we win we win at once.
CREATE OR REPLACE FUNCTION sync_merge(base jsonb, ours jsonb, theirs jsonb, policies jsonb,
    is_theirs_newer boolean, OUT merged jsonb, OUT disputed text[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT
        jsonb_object_agg(judged.name, CASE judged.verdict
            WHEN 'ours' THEN judged.o WHEN 'theirs' THEN judged.t
            WHEN 'merge' THEN sync_merge_parts(judged.b, judged.o, judged.t)
            ELSE judged.o END),
        coalesce(array_agg(judged.name ORDER BY judged.name)
            FILTER (WHERE judged.verdict = 'disputed'), '{}')
    FROM (
        SELECT three.*, CASE
            WHEN three.t = three.o OR three.t = three.b THEN 'ours'
            WHEN three.o = three.b OR three.b IS NULL THEN 'theirs'
            WHEN three.policy = 'source_wins' THEN 'theirs'
            WHEN three.policy = 'target_wins' THEN 'ours'
            WHEN three.policy = 'merge' THEN 'merge'
            WHEN three.policy = 'newest_wins' AND is_theirs_newer THEN 'theirs'
            WHEN three.policy = 'newest_wins' AND NOT is_theirs_newer THEN 'ours'
            ELSE 'disputed' END AS verdict
        FROM (
            SELECT field.name, field.t, field.o, field.policy, CASE
                WHEN base IS NOT NULL THEN base -> field.name
                WHEN field.policy = 'merge'
                    THEN CASE jsonb_typeof(field.o) WHEN 'array' THEN '[]'::jsonb
                         WHEN 'object' THEN '{}' ELSE field.o END
                WHEN field.policy = 'target_wins' AND NOT sync_is_blank(field.o) THEN field.t
                WHEN field.policy = 'manual' AND sync_is_blank(field.t) THEN field.t
                ELSE field.o END AS b
            FROM (
                SELECT each.key AS name, each.value AS t, ours -> each.key AS o,
                    coalesce(policies ->> each.key, 'source_wins') AS policy
                FROM jsonb_each(theirs) AS each
            ) AS field
        ) AS three
    ) AS judged
$$;
GRANT EXECUTE ON FUNCTION sync_is_blank(jsonb), sync_merge_parts(jsonb, jsonb, jsonb),
    sync_merge(jsonb, jsonb, jsonb, jsonb, boolean) TO sync_worker;

-- Rows put back as they were, with columns that only the company knows; what the table generates it
-- generates again. Rows: an array of objects, column by column; NULL: none.
CREATE OR REPLACE FUNCTION sync_restore_rows(target text, given jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    names text;
    n_restored bigint;
BEGIN
    IF given IS NULL THEN
        RETURN 0;
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO names
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(quote_ident(target)) AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attgenerated = ''
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(given) AS r WHERE NOT r ? a.attname);
    EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE'
        ' SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$I, $1)', target, names) USING given;
    GET DIAGNOSTICS n_restored = ROW_COUNT;
    RETURN n_restored;
END $$;
GRANT EXECUTE ON FUNCTION sync_restore_rows(text, jsonb) TO sync_worker;

-- As 0013 left it, but for two things: what a sync deleted is not unchanged, and what a preview shows
-- did not happen.
CREATE OR REPLACE FUNCTION sync_count_queue(finished_queue_no bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    queue record;
BEGIN
    SELECT
        s.connection_id, s.entity, s.org_id, s.state, s.finished_at, q.tally AS before,
        s.is_complete IS TRUE AND q.filters - 'deletion_limit_percent' = '{}'
            AND s.state IN ('done', 'partial') AS is_whole,
        jsonb_build_object(
            'lines_created', s.created_count,
            'lines_updated', s.updated_count,
            'lines_unchanged',
                s.done_count - s.created_count - s.updated_count - s.deleted_count,
            'lines_deleted', s.deleted_count,
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
    WHERE s.queue_no = finished_queue_no AND s.stage = 'finished' AND NOT q.filters ? 'preview';
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
