-- depends: 0002_operations
-- Lines, activity and pages by ranges of 10,000 queue numbers, so that retention drops tables and
-- deletes no rows. Range k holds the queues k*10000 … k*10000+9999, in sync_line_r<k>,
-- sync_activity_r<k> and sync_page_r<k>.

-- A partition has everything that its table has: complete.sql names partitions, and then neither the
-- table's policies nor its triggers nor its rights would count.
CREATE OR REPLACE FUNCTION sync_make_partition(parent text, part text, lowest text, beyond text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rights text;
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Made first and attached then: CREATE TABLE … PARTITION OF would stop everybody who reads.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (org_id = '
        '(SELECT nullif(current_setting(''app.org_id'', true), '''')::sync_org_id))', part);
    SELECT string_agg(g.privilege_type, ', ') INTO rights
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
    WHERE c.oid = parent::regclass AND g.grantee = 'sync_worker'::regrole;
    IF rights IS NOT NULL THEN
        EXECUTE format('GRANT %s ON %I TO sync_worker', rights, part);
    END IF;
    IF parent = 'sync_activity' THEN
        EXECUTE format('CREATE TRIGGER sync_activity_append_only BEFORE UPDATE OR DELETE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION sync_activity_is_append_only()', part);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        parent, part, lowest, beyond);
END $$;

-- Make the tables of a range unless they are there. Workers may call it.
-- The first lock is shared by who opens queues, until they commit: retention, which takes it alone,
-- drops no range that a new queue is just getting its number from. The second lets one maker make.
CREATE OR REPLACE FUNCTION sync_make_range(range_no bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    name text;
    names text[] := ARRAY['sync_line', 'sync_activity', 'sync_page'];
BEGIN
    IF range_no < 0 THEN
        RAISE EXCEPTION 'ranges begin with 0, not %', range_no
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(7310911846023);
    IF (SELECT bool_and(to_regclass(n || '_r' || range_no) IS NOT NULL) FROM unnest(names) AS n) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7310911846022);
    FOREACH name IN ARRAY names LOOP
        PERFORM sync_make_partition(name, name || '_r' || range_no,
            -- Queue numbers begin with 1; queue 0 is "no queue" and not in any range.
            greatest(range_no * 10000, 1)::text, ((range_no + 1) * 10000)::text);
    END LOOP;
END $$;

-- Who defines what a worker calls also says where names are looked for.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION sync_make_range(bigint) SET search_path = %I, pg_temp',
        current_schema());
END $$;
REVOKE ALL ON FUNCTION sync_make_partition(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sync_make_range(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sync_make_range(bigint) TO sync_worker;

-- The tables as they were become the newest range, with all their rows; what belongs to older ranges
-- is moved there. Views follow a table by its identity, so those that read one are made anew.
DO $$
DECLARE
    newest bigint := coalesce((SELECT max(queue_no) FROM sync_queue), 0) / 10000;
    oldest bigint := coalesce((SELECT min(queue_no) FROM sync_queue), 0) / 10000;
    plain text[];
    name text;
    old text;
    command text;
    views text[];
    last_activity_no bigint;
BEGIN
    SELECT coalesce(array_agg(n), '{}') INTO plain
    FROM unnest(ARRAY['sync_line', 'sync_activity', 'sync_page']) AS n
    JOIN pg_class AS c ON c.oid = to_regclass(n) AND c.relkind = 'r';

    SELECT coalesce(array_agg(format('CREATE OR REPLACE VIEW %s %s AS %s', v.oid::regclass,
            'WITH (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid))), '{}')
        INTO views
    FROM pg_class AS v
    WHERE v.relkind = 'v' AND EXISTS (
        SELECT FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND r.ev_class = v.oid
          AND d.refobjid IN (SELECT n::regclass FROM unnest(plain) AS n));

    IF 'sync_activity' = ANY (plain) THEN
        -- What concerns no queue names queue 0: a partition by range has no place for NULL.
        ALTER TABLE sync_activity DISABLE TRIGGER sync_activity_append_only;
        UPDATE sync_activity SET queue_no = 0 WHERE queue_no IS NULL;
        ALTER TABLE sync_activity ALTER COLUMN queue_no SET NOT NULL;
        ALTER TABLE sync_activity ALTER COLUMN queue_no SET DEFAULT 0;
        -- Before PostgreSQL 17 an identity column gives no number to who writes to a partition.
        SELECT coalesce(pg_sequence_last_value(
            pg_get_serial_sequence('sync_activity', 'activity_no')::regclass), 0)
            INTO last_activity_no;
        ALTER TABLE sync_activity ALTER COLUMN activity_no DROP IDENTITY;
        CREATE SEQUENCE sync_activity_activity_no_seq CACHE 100;
        PERFORM setval('sync_activity_activity_no_seq', last_activity_no + 1, false);
        ALTER TABLE sync_activity ALTER COLUMN activity_no
            SET DEFAULT nextval('sync_activity_activity_no_seq');
        GRANT USAGE ON SEQUENCE sync_activity_activity_no_seq TO sync_worker;
    END IF;

    FOREACH name IN ARRAY plain LOOP
        old := name || '_r' || newest;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name, old);
        FOR command IN
            SELECT format('ALTER INDEX %s RENAME TO %I', x.indexrelid::regclass,
                replace(i.relname, name, old))
            FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
            WHERE x.indrelid = old::regclass
        LOOP
            EXECUTE command;
        END LOOP;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES) '
            'PARTITION BY RANGE (queue_no)', name, old);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (org_id = '
            '(SELECT nullif(current_setting(''app.org_id'', true), '''')::sync_org_id))', name);
        FOR command IN
            SELECT format('GRANT %s ON %I TO %s', string_agg(g.privilege_type, ', '), name,
                CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END)
            FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
            WHERE c.oid = old::regclass AND g.grantee <> c.relowner
            GROUP BY g.grantee
        LOOP
            EXECUTE command;
        END LOOP;
    END LOOP;

    IF 'sync_line' = ANY (plain) THEN
        ALTER TABLE sync_line ADD PRIMARY KEY (queue_no, line_no);
        CREATE UNIQUE INDEX sync_line_external_idx ON sync_line (queue_no, external_id);
        CREATE INDEX sync_line_written_idx
            ON sync_line (queue_no, last_error_at DESC) WHERE state IS NOT NULL;
    END IF;
    IF 'sync_page' = ANY (plain) THEN
        ALTER TABLE sync_page ADD PRIMARY KEY (queue_no, listing, first_offset, record_limit);
    END IF;
    IF 'sync_activity' = ANY (plain) THEN
        CREATE INDEX sync_activity_queue_idx ON sync_activity (queue_no, created_at);
        ALTER SEQUENCE sync_activity_activity_no_seq OWNED BY sync_activity.activity_no;
        CREATE TRIGGER sync_activity_append_only BEFORE UPDATE OR DELETE ON sync_activity
            FOR EACH STATEMENT EXECUTE FUNCTION sync_activity_is_append_only();
    END IF;

    -- Rows about no queue outlive every range.
    PERFORM sync_make_partition('sync_activity', 'sync_activity_general', 'MINVALUE', '1');
    IF cardinality(plain) > 0 THEN
        PERFORM sync_make_range(n) FROM generate_series(oldest, newest - 1) AS n;
    END IF;
    FOREACH name IN ARRAY plain LOOP
        old := name || '_r' || newest;
        EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE queue_no < %s',
            name, old, greatest(newest * 10000, 1));
        EXECUTE format('DELETE FROM %I WHERE queue_no < %s', old, greatest(newest * 10000, 1));
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            name, old, greatest(newest * 10000, 1), (newest + 1) * 10000);
        IF name = 'sync_activity' THEN
            EXECUTE format('ALTER TABLE %I ENABLE TRIGGER sync_activity_append_only', old);
        END IF;
    END LOOP;
    -- Where the audit of one line is, of a million: rows come by batches, so a block holds few numbers.
    -- Next to nothing to write, unlike a second tree; 1 ms instead of 700 to read (once autovacuum
    -- has seen the blocks).
    CREATE INDEX IF NOT EXISTS sync_activity_line_idx ON sync_activity
        USING brin (queue_no, line_no) WITH (pages_per_range = 16, autosummarize = on);
    PERFORM sync_make_range(newest), sync_make_range(newest + 1);

    FOREACH command IN ARRAY views LOOP
        EXECUTE command;
    END LOOP;
END $$;
