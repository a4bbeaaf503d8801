-- Add one connection and entity: with its queue, or with why it has none.
-- Caller: queue.orchestrations.starting.
INSERT INTO sync_orchestration_item (
    orchestration_no, connection_id, entity, org_id, place, queue_no, is_joined, refusal)
VALUES (
    %(orchestration_no)s, %(connection_id)s, %(entity)s, %(org_id)s::sync_org_id, %(place)s,
    %(queue_no)s, %(is_joined)s, %(refusal)s)
