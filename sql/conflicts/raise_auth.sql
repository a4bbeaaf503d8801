-- A store refused the keys: one open conflict of its connection and entity.
-- Caller: queue.conflicts.keys, when the failure of the run is written down.
-- Index: sync_conflict_open_idx (unique: the same trouble is the same conflict).
-- `*` is no id of a record: it is about all of them.
INSERT INTO sync_conflict AS conflict (
    org_id, connection_id, entity, external_id, queue_no, conflict_type, message, details)
VALUES (%(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, '*', %(queue_no)s, 'AuthError',
    %(message)s, jsonb_build_object('code', %(code)s::text))
ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
DO UPDATE SET queue_no = EXCLUDED.queue_no, message = EXCLUDED.message,
    details = EXCLUDED.details, updated_at = now(), tries = conflict.tries + 1
