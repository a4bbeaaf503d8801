-- What happened to given lines, oldest first. Caller: queue.story.
-- Index: sync_activity_line_idx, of the ranges of these queues; what autovacuum has not seen of them
--   yet is read whole.
SELECT q.id AS queue_id, a.activity_type, a.status, a.message, a.before, a.after, a.details,
    a.created_at
FROM unnest(%(queue_nos)s::bigint[], %(line_nos)s::integer[]) AS line (queue_no, line_no)
JOIN sync_activity AS a ON a.queue_no = line.queue_no AND a.line_no = line.line_no
JOIN sync_queue AS q ON q.queue_no = a.queue_no
ORDER BY a.created_at, a.activity_no
