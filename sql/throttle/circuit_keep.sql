-- Keep what became of a circuit, in the transaction that locked it.
-- Caller: sources.throttle.breaker. Index: sync_circuit_pkey.
UPDATE sync_circuit
SET state = %(state)s, failure_count = %(failure_count)s, failing_since = %(failing_since)s,
    open_count = %(open_count)s, opened_at = %(opened_at)s, open_until = %(open_until)s,
    probe_no = %(probe_no)s, probe_until = %(probe_until)s,
    last_error_code = %(last_error_code)s, last_error = %(last_error)s, updated_at = now()
WHERE connection_id = %(connection_id)s
