-- Conflicts, the newest first, a page at a time. Caller: queue.conflicts.reading.
-- Composed: chosen.sql. Index: as there, backward from the last one of the page before.
-- Why the page is cut before the joins: their estimates would make it a sort of all.
SELECT c.conflict_no, c.id, k.name AS connection, c.entity, c.external_id, c.conflict_type,
    c.strategy, c.state, c.version, c.message, c.details ->> 'code' AS code,
    ARRAY(SELECT field FROM jsonb_object_keys(
              CASE jsonb_typeof(c.details -> 'fields') WHEN 'object' THEN c.details -> 'fields'
                   ELSE '{{}}' END) AS field ORDER BY field) AS fields,
    c.tries, c.next_try_at, c.created_at, c.updated_at, c.resolved_at, c.resolved_by, c.resolution,
    met.id AS queue_id, decided.id AS resolution_queue_id, decided.created_by AS decided_by,
    decided.stage IS NOT NULL AND decided.stage <> 'finished' AS is_being_resolved
FROM (
    SELECT chosen.* FROM ({chosen}) AS chosen
    WHERE %(before_no)s::bigint IS NULL OR chosen.conflict_no < %(before_no)s
    ORDER BY chosen.conflict_no DESC
    LIMIT %(most)s
) AS c
JOIN sync_connection AS k ON k.connection_id = c.connection_id
LEFT JOIN sync_queue AS met ON met.queue_no = c.queue_no
LEFT JOIN sync_queue AS decided ON decided.queue_no = c.resolution_queue_no
ORDER BY c.conflict_no DESC
