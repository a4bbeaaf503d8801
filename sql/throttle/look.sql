-- How a connection stands, without taking a token.
-- Caller: sources.throttle.bucket.PostgresBucket.look, after a wait, and once a second where Redis
--   keeps the tokens. Index: sync_throttle_pkey, sync_circuit_pkey.
SELECT
    0::float8 AS wait_seconds,
    coalesce(greatest(0, extract(epoch FROM blocked_until - clock_timestamp())), 0)::float8
        AS blocked_seconds,
    coalesce(greatest(0, extract(epoch FROM CASE circuit.state
        WHEN 'open' THEN open_until WHEN 'half_open' THEN probe_until END
        - clock_timestamp())), 0)::float8 AS refused_seconds,
    coalesce(circuit.state, 'closed') = 'closed' AS is_closed,
    coalesce(circuit.state <> 'closed' OR failure_count > 0, false) AS is_troubled
FROM (SELECT %(connection_id)s::bigint AS connection_id) AS asked
LEFT JOIN sync_throttle AS bucket USING (connection_id)
LEFT JOIN sync_circuit AS circuit USING (connection_id)
