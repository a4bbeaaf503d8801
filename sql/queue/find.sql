-- The newest queue that fits; NULL means any.
-- Caller: queue.queues. Index: sync_queue_pkey, sync_queue_id_key, sync_queue_latest_idx,
--   sync_queue_idempotency_idx (each call names one of them; plans are custom).
SELECT q.queue_no, q.id, q.org_id::text AS org_id, q.connection_id, c.name AS connection,
    q.entity, q.source_system, q.stage, q.filters, q.idempotency_key, q.batch_size,
    q.batch_delay_ms, q.max_retries, q.initial_backoff_ms, q.lifetime_value_rule, q.is_complete,
    q.last_dagster_run_id, q.created_at, q.is_full
FROM sync_queue AS q
JOIN sync_connection AS c ON c.connection_id = q.connection_id
WHERE (%(queue_no)s::bigint IS NULL OR q.queue_no = %(queue_no)s)
  AND (%(id)s::uuid IS NULL OR q.id = %(id)s)
  AND (%(connection)s::text IS NULL OR c.name = %(connection)s)
  AND (%(entity)s::text IS NULL OR q.entity = %(entity)s)
  AND (%(idempotency_key)s::text IS NULL OR q.idempotency_key = %(idempotency_key)s)
  AND (%(is_open)s::boolean IS NULL OR (q.stage <> 'finished') = %(is_open)s)
  AND (%(is_window)s::boolean IS NULL OR q.is_window = %(is_window)s)
  AND (%(is_beside)s::boolean IS NULL OR q.is_beside = %(is_beside)s)
ORDER BY q.created_at DESC, q.queue_no DESC
LIMIT 1
