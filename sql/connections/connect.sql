-- Register a connection, or change the one of that name in this organization.
-- Caller: sources.connections.connect.
-- Index: sync_connection_name_key. When the name is another organization's, row-level security
--   refuses the update (42501).
INSERT INTO sync_connection AS c (
    org_id, name, system, base_url, key_env, secret_env, options)
VALUES (%(org_id)s::sync_org_id, %(name)s, %(system)s, %(base_url)s, %(key_env)s, %(secret_env)s,
    %(options)s)
ON CONFLICT (name) DO UPDATE
SET base_url = EXCLUDED.base_url, key_env = EXCLUDED.key_env, secret_env = EXCLUDED.secret_env,
    options = EXCLUDED.options, is_active = true, updated_at = now()
RETURNING c.connection_id, c.org_id::text AS org_id, c.name, c.system, c.base_url, c.key_env,
    c.secret_env, c.options, c.page_records
