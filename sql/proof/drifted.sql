-- Records whose row here is gone, or is not what base says: (external_id, is_lost, base, ours).
-- Used by: proof/drift.sql, proof/count_drift.sql. Composed per entity: its table, its columns and their
--   types (proof/columns.sql), and the object of its columns; a reference that was filled in later, or let go
--   of with the row that it named, is taken as it was (entities/references.py).
-- Index: sync_record_pkey (one range of it), the target's key; each is read once, joined by hash.
-- Why base becomes typed columns, and not the row an object: 6 us a row, not 18. The object is made of
--   the rows that differ alone.
SELECT differing.record_id AS external_id, differing.is_lost, differing.base,
    CASE WHEN NOT differing.is_lost THEN {ours} END AS ours
FROM (
    SELECT r.external_id AS record_id, t.id IS NULL AS is_lost, r.base, {columns}
    FROM sync_record AS r
    LEFT JOIN {target} AS t ON t.id = r.local_id
    CROSS JOIN LATERAL jsonb_to_record(r.base) AS was ({types})
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s AND r.tombstoned_at IS NULL
      AND (t.id IS NULL OR r.base IS NOT NULL AND ({was_columns}) IS DISTINCT FROM ({now_columns}))
) AS differing
