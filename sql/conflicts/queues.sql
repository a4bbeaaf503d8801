-- The queues on which chosen conflicts have a failed line, or that wait for keys; and (id NULL) how many
--   conflicts have none any more.
-- Caller: queue.conflicts.resolving, for a retry. Composed: chosen.sql.
-- Index: as there, sync_queue_pkey, sync_line_pkey.
SELECT q.id, count(*) AS n_conflicts
FROM ({chosen}) AS c
LEFT JOIN sync_queue AS q ON q.queue_no = c.queue_no AND CASE c.conflict_type
    -- It stands still before its first record.
    WHEN 'AuthError' THEN q.stage <> 'finished'
    ELSE EXISTS (SELECT FROM sync_line AS l WHERE l.queue_no = c.queue_no
                 AND l.line_no = c.line_no AND l.state = 'failed') END
WHERE c.conflict_type <> 'DataMismatch'
GROUP BY q.id
