-- Orchestrations whose id lies between two, of one organization or (NULL) of any; two are enough to
--   know that a prefix is not unique. Caller: queue.orchestrations.records.
-- Index: sync_orchestration_id_key.
SELECT orchestration_no, id::text AS id, org_id::text AS org_id, systems, entities, is_full,
    idempotency_key, created_by, created_at, is_paused, cancelled_at
FROM sync_orchestration_status
WHERE id BETWEEN %(lowest)s AND %(highest)s
  AND (%(org_id)s::text IS NULL OR org_id = %(org_id)s::text::sync_org_id)
ORDER BY id LIMIT 2
