-- Drops the sync tables. organization, "user" and customer stay with all their rows; customer only
-- loses the derived column and index that the sync added. Roles stay: other databases of the
-- server may use them. The key's domain stays while a business table uses it.
DROP TABLE IF EXISTS sync_order_figure;
DROP TABLE IF EXISTS sync_conflict;
DROP TABLE IF EXISTS sync_activity;
DROP FUNCTION IF EXISTS sync_activity_is_append_only();
DROP TABLE IF EXISTS sync_line;
DROP TABLE IF EXISTS sync_batch;
DROP TABLE IF EXISTS sync_page;
DROP TABLE IF EXISTS sync_queue;
DROP TABLE IF EXISTS sync_watermark;
DROP TABLE IF EXISTS sync_record;
DROP TABLE IF EXISTS sync_connection;
DROP FUNCTION IF EXISTS sync_html_decode(text);
DROP INDEX IF EXISTS customer_org_email_idx;
ALTER TABLE IF EXISTS customer DROP COLUMN IF EXISTS email_normalized;
DO $$
DECLARE
    name text;
    is_guarded_by_us boolean;
BEGIN
    FOREACH name IN ARRAY ARRAY['organization', 'user', 'customer'] LOOP
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NULL;
        is_guarded_by_us := EXISTS (
            SELECT FROM pg_policy
            WHERE polrelid = to_regclass(quote_ident(name)) AND polname = 'sync_others');
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_no_more ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_others ON %I', name);
        IF is_guarded_by_us AND NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = to_regclass(quote_ident(name))
        ) THEN
            EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);
        END IF;
        EXECUTE format('REVOKE ALL ON %I FROM sync_worker, sync_control', name);
    END LOOP;
END $$;
DO $$
BEGIN
    DROP DOMAIN IF EXISTS sync_org_id;
EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
END $$;
