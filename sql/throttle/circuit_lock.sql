-- The circuit of a connection, held until this transaction ends: one process decides at a time.
-- Caller: sources.throttle.breaker. Index: sync_circuit_pkey.
-- Why MATERIALIZED: the clock is read after the lock was waited for, not before.
WITH locked AS MATERIALIZED (
    SELECT state, failure_count, failing_since, open_count, opened_at, open_until, probe_no,
        probe_until, last_error_code, last_error
    FROM sync_circuit WHERE connection_id = %(connection_id)s FOR UPDATE
)
SELECT *, clock_timestamp() AS now_utc FROM locked
