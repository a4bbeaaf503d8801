-- The conflicts that somebody asked for; what is NULL chooses nothing.
-- Used by: list.sql, count.sql, hold.sql, refresh.sql, lines.sql, skip.sql, queues.sql,
--   pending.sql.
-- Index: sync_conflict_id_key (ids), sync_conflict_connection_idx, sync_conflict_listed_idx.
SELECT conflict.*
FROM sync_conflict AS conflict
WHERE (%(ids)s::uuid[] IS NULL OR conflict.id = ANY (%(ids)s::uuid[]))
  AND (%(connection_id)s::bigint IS NULL OR conflict.connection_id = %(connection_id)s)
  AND (%(entity)s::text IS NULL OR conflict.entity = %(entity)s)
  AND (%(external_id)s::text IS NULL OR conflict.external_id = %(external_id)s)
  AND (%(conflict_type)s::text IS NULL OR conflict.conflict_type = %(conflict_type)s)
  AND (%(state)s::text IS NULL OR conflict.state = %(state)s)
  AND (%(field)s::text IS NULL OR conflict.details -> 'fields' ? %(field)s)
  AND (%(created_before)s::timestamptz IS NULL OR conflict.created_at <= %(created_before)s)
  -- What is being applied already is decided about.
  AND (NOT %(is_undecided)s OR NOT EXISTS (
      SELECT FROM sync_queue AS deciding
      WHERE deciding.queue_no = conflict.resolution_queue_no AND deciding.stage <> 'finished'))
  AND (%(is_mismatch)s::boolean IS NULL
       OR (conflict.conflict_type = 'DataMismatch') = %(is_mismatch)s)
