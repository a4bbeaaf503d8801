-- Make a line for every landed record whose content is not what was last applied.
-- Caller: stages.enqueue, once per share of the pages: shares are made at once, each commits alone,
--   and the queue moves on when all of them have.
-- Composed per entity: what landed, with its hash (enqueue/hashed.sql).
-- Index: sync_page_pkey (the queue's pages), sync_record_pkey; both are read whole, by hash join.
-- Why ON CONFLICT: a listing that moves while it is read holds a record twice, and a share that was
--   made before a crash is made again. A record of the changes and of the slice is taken once.
-- Why records in dispute: one that is again as it was last applied is in dispute no more.
-- Why not what was taken back: an undo holds until the record or the mapping changes.
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, record.line_no, %(org_id)s::sync_org_id, record.external_id,
    record.content_hash, record.payload
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
         AND c.conflict_type = 'DataMismatch' AND NOT c.details ? 'action')
ON CONFLICT DO NOTHING
