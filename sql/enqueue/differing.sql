-- What landed for a queue and is not what was last applied: (line_no, external_id, content_hash, payload).
-- Used by: enqueue/lines.sql; stages.aside, for a preview. Composed per entity: what landed, with its
--   hash (enqueue/hashed.sql).
-- Index: sync_page_pkey (the queue's pages), sync_record_pkey; both are read whole, by hash join.
-- Why records in conflict: one that is again as it was last applied is in conflict no more.
-- Why not what was taken back: an undo holds until the record or the mapping changes.
SELECT record.line_no, record.external_id, record.content_hash, record.payload
FROM (
{hashed}
) AS record
LEFT JOIN sync_record AS known
    ON known.connection_id = %(connection_id)s AND known.entity = %(entity)s
    AND known.external_id = record.external_id
WHERE known.content_hash IS DISTINCT FROM record.content_hash
   OR known.tombstoned_at IS NOT NULL AND known.tombstone_reason IS DISTINCT FROM 'reverted'
   OR record.external_id IN (
       SELECT c.external_id FROM sync_conflict AS c
       WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
         AND NOT c.details ? 'action')
