-- See to it that a connection has a circuit; closed when it is new.
-- Caller: sources.throttle.breaker, before circuit_lock. Index: sync_circuit_pkey.
INSERT INTO sync_circuit (connection_id, org_id)
VALUES (%(connection_id)s, %(org_id)s::sync_org_id)
ON CONFLICT DO NOTHING
