CREATE OR REPLACE VIEW woo_customer_sync_queue_line WITH (security_invoker = true) AS
SELECT
    s.queue_no || '-' || s.line_no AS id, s.queue_id::text AS queue_id, s.org_id::text AS org_id,
    CASE WHEN s.external_id ~ '^[0-9]{1,18}$' THEN s.external_id::bigint END AS woo_customer_id,
    s.payload AS customer_data, s.external_id, s.state, s.process_count, s.error_count,
    s.error_message, s.last_error_at AS last_error_timestamp,
    CASE WHEN s.state = 'done' THEN r.local_id END AS result_customer_id,
    CASE WHEN s.state = 'done'
         THEN NOT (r.origin = 'created' AND r.origin_queue_no = s.queue_no) END AS was_update,
    s.queue_id::text || ':' || s.external_id AS idempotency_token,
    s.created_at, coalesce(s.last_error_at, s.finished_at, s.created_at) AS updated_at,
    coalesce(s.last_error_at, s.finished_at) AS last_process_date
FROM sync_line_status AS s
LEFT JOIN sync_record AS r
    ON r.connection_id = s.connection_id AND r.entity = s.entity AND r.external_id = s.external_id
WHERE s.source_system = 'woocommerce' AND s.entity = 'customers';

GRANT SELECT ON woo_customer_sync_queue_line TO sync_worker;
