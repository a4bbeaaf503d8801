-- Every active connection. Caller: sources.connections.list_connections.
-- Index: none; a company has hundreds of connections at most.
SELECT connection_id, org_id::text AS org_id, name, system, base_url, key_env, secret_env,
    options, page_records
FROM sync_connection WHERE is_active ORDER BY name
