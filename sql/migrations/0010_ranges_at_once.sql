-- depends: 0009_forced_done
-- Two who make the same range: the second one finds it, also where it had looked before.

-- A partition has everything that its table has: complete.sql names partitions, and then neither the
-- table's policies nor its triggers nor its rights would count.
CREATE OR REPLACE FUNCTION sync_make_partition(parent text, part text, lowest text, beyond text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rights text;
BEGIN
    -- Not to_regclass(): it may answer from what this session knew before it waited for its turn.
    IF EXISTS (SELECT FROM pg_class
               WHERE relname = part AND relnamespace = current_schema()::regnamespace) THEN
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
