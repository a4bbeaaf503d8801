-- How the circuit of a connection stands now.
-- Caller: sources.throttle.breaker.circuit_of (doctor). Index: sync_circuit_pkey.
SELECT state, failure_count, failing_since, open_count, opened_at, open_until, probe_no,
    probe_until, last_error_code, last_error
FROM sync_circuit WHERE connection_id = %(connection_id)s
