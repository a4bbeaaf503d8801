-- Make an orchestration without items. Caller: queue.orchestrations.starting.
INSERT INTO sync_orchestration (
    org_id, systems, entities, is_full, request_hash, idempotency_key, created_by)
VALUES (
    %(org_id)s::sync_org_id, %(systems)s, %(entities)s, %(is_full)s, %(request_hash)s,
    %(idempotency_key)s, %(created_by)s)
RETURNING orchestration_no, id::text AS id
