CREATE OR REPLACE VIEW odoo_sync_queue WITH (security_invoker = true) AS
SELECT
    s.id::text AS id, s.org_id::text AS org_id, s.queue_name, s.source_system, s.entity, s.state,
    nullif(s.total_count, 0) AS total_count,
    s.draft_count, s.processing_count, s.done_count, s.failed_count, s.cancelled_count,
    s.process_count, s.is_processing, s.is_action_required, s.action_required_reason,
    s.batch_size, s.batch_delay_ms, s.idempotency_key, s.progress, s.created_by, s.created_at,
    s.updated_at, s.last_process_date
FROM sync_queue_status AS s
WHERE s.source_system = 'odoo';

GRANT SELECT ON odoo_sync_queue TO sync_worker;
