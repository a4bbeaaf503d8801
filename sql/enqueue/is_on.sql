-- Whether a connection has an option on. Caller: stages.figures. Index: sync_connection_pkey.
SELECT coalesce(options ->> %(option)s = 'true', false) AS is_on
FROM sync_connection WHERE connection_id = %(connection_id)s
