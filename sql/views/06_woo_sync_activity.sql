CREATE OR REPLACE VIEW woo_sync_activity WITH (security_invoker = true) AS
SELECT
    a.activity_no AS id, q.id::text AS queue_id,
    a.queue_no || '-' || a.line_no AS queue_line_id, a.org_id::text AS org_id, a.activity_type,
    a.status,
    coalesce(a.message, replace(a.activity_type, '_', ' ') || ' (line ' || a.line_no || ')')
        AS message,
    coalesce(a.details, '{}') || jsonb_strip_nulls(
        jsonb_build_object('before', a.before, 'after', a.after)) AS details,
    a.created_at
FROM sync_activity AS a
JOIN sync_queue AS q ON q.queue_no = a.queue_no
WHERE q.source_system = 'woocommerce';

GRANT SELECT ON woo_sync_activity TO sync_worker;
