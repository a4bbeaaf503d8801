-- One connection by name.
-- Caller: sources.connections.find_connection. Index: sync_connection_name_key.
SELECT connection_id, org_id::text AS org_id, name, system, base_url, key_env, secret_env,
    options, page_records
FROM sync_connection WHERE name = %(name)s AND is_active
