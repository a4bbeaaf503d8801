-- The archive holds rows of the company, and goes only while it is empty.
DO $$
DECLARE
    is_filled boolean;
BEGIN
    IF to_regclass('sync_archive') IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM sync_archive)' INTO is_filled;
        IF NOT is_filled THEN
            DROP TABLE sync_archive;
        ELSE
            DROP POLICY IF EXISTS sync_own_organization ON sync_archive;
            ALTER TABLE sync_archive DISABLE ROW LEVEL SECURITY;
            -- Connections are numbered anew after a rollback: kept rows must not be taken for others'.
            UPDATE sync_archive SET connection_id = -abs(connection_id);
            REVOKE ALL ON sync_archive FROM sync_worker, sync_control;
        END IF;
    END IF;
END $$;
DROP FUNCTION IF EXISTS sync_merge(jsonb, jsonb, jsonb, jsonb, boolean);
DROP FUNCTION IF EXISTS sync_merge_parts(jsonb, jsonb, jsonb);
DROP FUNCTION IF EXISTS sync_is_blank(jsonb);
DROP FUNCTION IF EXISTS sync_restore_rows(text, jsonb);
