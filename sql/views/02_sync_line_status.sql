CREATE OR REPLACE VIEW sync_line_status WITH (security_invoker = true) AS
SELECT
    l.queue_no, l.line_no, l.org_id, q.id AS queue_id, q.connection_id, q.entity, q.source_system,
    l.external_id, l.payload, l.content_hash,
    CASE WHEN b.pass > 1 OR b.state = 'done' THEN 'done'
         WHEN b.state = 'ready' THEN 'draft'
         ELSE b.state END AS state,
    CASE WHEN b.pass > 1 OR b.state = 'done' THEN 1 ELSE 0 END AS process_count,
    0 AS error_count, l.error_code, l.error_message, l.last_error_at,
    b.batch_no, b.finished_at, q.created_at
FROM sync_batch AS b
JOIN sync_queue AS q ON q.queue_no = b.queue_no
JOIN sync_line AS l
    ON l.queue_no = b.queue_no AND l.line_no BETWEEN b.first_line AND b.last_line
WHERE l.state IS NULL
UNION ALL
SELECT
    l.queue_no, l.line_no, l.org_id, q.id, q.connection_id, q.entity, q.source_system,
    l.external_id, l.payload, l.content_hash,
    CASE WHEN l.state = 'draft' AND b.state = 'processing' THEN 'processing' ELSE l.state END,
    l.process_count::integer, l.error_count::integer, l.error_code, l.error_message,
    l.last_error_at, b.batch_no, b.finished_at, q.created_at
FROM sync_line AS l
JOIN sync_queue AS q ON q.queue_no = l.queue_no
JOIN LATERAL (
    SELECT batch_no, state, finished_at FROM sync_batch
    WHERE sync_batch.queue_no = l.queue_no AND sync_batch.first_line <= l.line_no
    ORDER BY first_line DESC LIMIT 1
) AS b ON true
WHERE l.state IS NOT NULL;

GRANT SELECT ON sync_line_status TO sync_worker;
