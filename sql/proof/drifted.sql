-- Records whose row here is gone, or is not what base says: (external_id, is_lost, base, ours).
-- Used by: proof/drift.sql, proof/count_drift.sql. Composed per entity: its table, and the object of its
--   columns, in which a reference that was filled in later is as it was (entities/references.py).
-- Index: sync_record_pkey (one range of it), the target's key.
SELECT r.external_id, t.id IS NULL AS is_lost, r.base, now.ours
FROM sync_record AS r
LEFT JOIN {target} AS t ON t.id = r.local_id
CROSS JOIN LATERAL (SELECT CASE WHEN t.id IS NOT NULL THEN {ours} END AS ours OFFSET 0) AS now
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s AND r.tombstoned_at IS NULL
  AND (t.id IS NULL OR r.base <> now.ours)
