-- Make a queue, unless one of this connection and entity is open (a window besides is no such one,
--   nor is one that takes back, resolves or shows) or has this idempotency key.
-- Caller: queue.opening.
-- Index: sync_queue_open_idx, sync_queue_idempotency_idx (both unique: a race ends in no row).
INSERT INTO sync_queue (
    org_id, connection_id, entity, queue_name, source_system, idempotency_key, filters,
    batch_size, batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule, created_by,
    is_full, depends_on, orchestration_no, stage, apply_began_at)
VALUES (
    %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, %(queue_name)s, %(source_system)s,
    %(idempotency_key)s, %(filters)s, %(batch_size)s, %(batch_delay_ms)s, %(max_retries)s,
    %(initial_backoff_ms)s, %(lifetime_value_rule)s, %(created_by)s, %(is_full)s,
    %(depends_on)s::bigint[], %(orchestration_no)s, %(stage)s,
    CASE WHEN %(stage)s = 'apply' THEN now() END)
ON CONFLICT DO NOTHING
RETURNING queue_no
