-- Take one token of a connection: reserve the next instant that a request may go at.
-- Caller: sources.throttle.bucket.PostgresBucket.take, before each HTTP request.
-- Index: sync_throttle_pkey, sync_circuit_pkey. One row each, and no index is written (HOT).
-- Why an instant and no counter: with GCRA one UPDATE both refills and takes. Who comes too early
--   is told how long to wait and has its place already, so nobody asks twice or is overtaken.
-- Why clock_timestamp(): it is read after the row's lock was waited for; now() is from before.
WITH taken AS (
    INSERT INTO sync_throttle AS bucket (connection_id, org_id, next_at)
    VALUES (%(connection_id)s, %(org_id)s::sync_org_id,
        clock_timestamp() + make_interval(secs => %(interval_seconds)s))
    ON CONFLICT (connection_id) DO UPDATE
    SET next_at = greatest(bucket.next_at, clock_timestamp())
        + make_interval(secs => %(interval_seconds)s)
    RETURNING connection_id, next_at, blocked_until, clock_timestamp() AS now_utc
)
SELECT
    greatest(0, extract(epoch FROM next_at - now_utc)::float8
        - %(interval_seconds)s::float8 - %(tolerance_seconds)s::float8) AS wait_seconds,
    coalesce(greatest(0, extract(epoch FROM blocked_until - now_utc)), 0)::float8
        AS blocked_seconds,
    coalesce(greatest(0, extract(epoch FROM CASE circuit.state
        WHEN 'open' THEN open_until WHEN 'half_open' THEN probe_until END - now_utc)), 0)::float8
        AS refused_seconds,
    coalesce(circuit.state, 'closed') = 'closed' AS is_closed,
    coalesce(circuit.state <> 'closed' OR failure_count > 0, false) AS is_troubled
FROM taken LEFT JOIN sync_circuit AS circuit USING (connection_id)
