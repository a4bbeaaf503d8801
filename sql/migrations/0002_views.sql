-- depends: 0001_core
-- The numbers people read, and the old service's names over them. Every view runs with the rights
-- of who asks, so row-level security holds through it.

-- Counters and state of a queue, from its batches: never set by hand, so never wrong.
CREATE OR REPLACE VIEW sync_queue_status WITH (security_invoker = true) AS
SELECT
    q.queue_no, q.id, q.org_id, q.connection_id, c.name AS connection, q.entity, q.queue_name,
    q.source_system, q.stage, s.state,
    b.total_count, b.draft_count, b.processing_count, b.done_count, b.failed_count,
    b.cancelled_count, b.created_count, b.updated_count,
    q.unchanged_count + b.unchanged_in_lines AS unchanged_count,
    q.scanned_count, q.source_total, q.is_complete, q.is_paused, q.reconciliation,
    CASE
        WHEN b.total_count > 0
            THEN round((b.done_count + b.cancelled_count)::numeric / b.total_count * 100, 2)
        WHEN q.stage = 'finished' THEN 100.00
        ELSE 0.00
    END AS progress,
    b.done_count + b.failed_count + b.cancelled_count AS processed_count,
    b.leased_count > 0 OR coalesce(q.stage_lease_until > now(), false) AS is_processing,
    q.is_action_required, q.action_required_reason, q.process_count, q.batch_size,
    q.batch_delay_ms, q.max_retries, q.initial_backoff_ms, q.lifetime_value_rule,
    q.idempotency_key, q.filters, q.last_dagster_run_id, q.created_by, q.created_at,
    -- Batches write no row of their queue; what they did last is in them.
    greatest(q.updated_at, b.last_finished_at) AS updated_at,
    greatest(q.last_process_date, b.last_finished_at) AS last_process_date,
    q.finished_at, b.next_available_at
FROM sync_queue AS q
JOIN sync_connection AS c ON c.connection_id = q.connection_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(n_total), 0)::bigint AS total_count,
        coalesce(sum(n_total - n_done - n_failed - n_cancelled)
            FILTER (WHERE state <> 'processing'), 0)::bigint AS draft_count,
        coalesce(sum(n_total - n_done - n_failed - n_cancelled)
            FILTER (WHERE state = 'processing'), 0)::bigint AS processing_count,
        coalesce(sum(n_done), 0)::bigint AS done_count,
        coalesce(sum(n_failed), 0)::bigint AS failed_count,
        coalesce(sum(n_cancelled), 0)::bigint AS cancelled_count,
        coalesce(sum(n_created), 0)::bigint AS created_count,
        coalesce(sum(n_updated), 0)::bigint AS updated_count,
        coalesce(sum(n_unchanged), 0)::bigint AS unchanged_in_lines,
        count(*) FILTER (WHERE state = 'processing' AND lease_until > now()) AS leased_count,
        min(available_at) FILTER (WHERE state = 'ready') AS next_available_at,
        max(finished_at) AS last_finished_at
    FROM sync_batch WHERE sync_batch.queue_no = q.queue_no
) AS b
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN q.cancelled_at IS NOT NULL THEN 'cancelled'
        WHEN q.stage <> 'finished' AND q.process_count = 0 THEN 'draft'
        WHEN q.stage <> 'finished' THEN 'processing'
        WHEN b.failed_count > 0 AND b.failed_count = b.total_count AND q.unchanged_count = 0
            THEN 'failed'
        WHEN b.failed_count > 0 OR q.is_complete IS FALSE THEN 'partial'
        ELSE 'done'
    END AS state
) AS s;

-- One line as people see it: its own state where it was written, else its batch's. Two branches, so
-- that asking for failed lines reads the few written ones: in the first branch the state depends on
-- the batch alone, and the planner drops batches before it looks at their lines.
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

CREATE OR REPLACE VIEW woo_customer_sync_queue WITH (security_invoker = true) AS
SELECT
    s.id::text AS id, s.org_id::text AS org_id, s.queue_name, s.source_system, s.state,
    -- NULL for a queue without lines: the old queries divide by it.
    nullif(s.total_count, 0) AS total_count,
    s.draft_count, s.processing_count, s.done_count, s.failed_count, s.cancelled_count,
    s.process_count, s.is_processing, s.is_action_required, s.action_required_reason,
    s.batch_size, s.batch_delay_ms, s.idempotency_key, s.progress, s.created_by, s.created_at,
    s.updated_at, s.last_process_date
FROM sync_queue_status AS s
WHERE s.source_system = 'woocommerce' AND s.entity = 'customers';

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

GRANT SELECT ON sync_queue_status, sync_line_status, woo_customer_sync_queue, odoo_sync_queue,
    woo_customer_sync_queue_line, woo_sync_activity TO sync_worker;
GRANT SELECT ON sync_queue_status TO sync_control;
