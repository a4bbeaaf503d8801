-- Every conflict that a remote record had, oldest first. Caller: queue.story.
-- Index: sync_conflict_record_idx.
SELECT c.id, c.conflict_type, c.state, c.message, c.details -> 'fields' AS fields,
    c.details ? 'change' AS is_by_change, c.created_at, c.resolved_at, c.resolved_by, c.resolution,
    q.id AS queue_id, c.strategy, decided.created_by AS decided_by,
    decided.stage IS NOT NULL AND decided.stage <> 'finished' AS is_being_applied
FROM sync_conflict AS c
LEFT JOIN sync_queue AS q ON q.queue_no = c.queue_no
LEFT JOIN sync_queue AS decided ON decided.queue_no = c.resolution_queue_no
WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
  AND c.external_id = %(external_id)s
ORDER BY c.conflict_no
