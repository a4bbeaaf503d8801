-- Counters and state of a queue, from its batches: never set by hand, so never wrong.
-- Why no FILTER on state where another column says it: comparing texts costs more than all sums of
--   2,000 batches. Those in work are leased, and those that came to an end have no line left.
CREATE OR REPLACE VIEW sync_queue_status WITH (security_invoker = true) AS
SELECT
    q.queue_no, q.id, q.org_id, q.connection_id, c.name AS connection, q.entity, q.queue_name,
    q.source_system, q.stage, s.state,
    b.total_count, b.total_count - s.processed_count - b.processing_count AS draft_count,
    b.processing_count, b.done_count, b.failed_count,
    b.cancelled_count, b.created_count, b.updated_count,
    q.unchanged_count + b.done_count - b.created_count - b.updated_count - b.deleted_count
        AS unchanged_count,
    q.scanned_count, q.source_total, q.is_complete, q.is_paused, q.reconciliation,
    CASE
        WHEN b.total_count > 0
            THEN round((b.done_count + b.cancelled_count)::numeric / b.total_count * 100, 2)
        WHEN q.stage = 'finished' THEN 100.00
        ELSE 0.00
    END AS progress,
    s.processed_count,
    b.leased_count > 0 OR coalesce(q.stage_lease_until > now(), false) AS is_processing,
    q.is_action_required, q.action_required_reason, q.process_count, q.batch_size,
    q.batch_delay_ms, q.max_retries, q.initial_backoff_ms, q.lifetime_value_rule,
    q.idempotency_key, q.filters, q.last_dagster_run_id, q.created_by, q.created_at,
    -- Batches write no row of their queue; what they did last is in them.
    greatest(q.updated_at, b.last_finished_at) AS updated_at,
    greatest(q.last_process_date, b.last_finished_at) AS last_process_date,
    q.finished_at, b.next_available_at,
    q.is_full, q.failure_count, q.retry_at, q.last_error_code, q.last_error, q.forced_done_at,
    q.apply_began_at, q.stage_lease_until,
    b.batch_count, b.ended_batch_count, b.recent_count, q.work_began_at,
    b.deleted_count, q.is_beside, q.certificate
FROM sync_queue AS q
JOIN sync_connection AS c ON c.connection_id = q.connection_id
-- OFFSET: computed once, not for every batch.
CROSS JOIN LATERAL (
    SELECT greatest(q.work_began_at, now() - interval '60 s') AS since OFFSET 0
) AS recent
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(n_total), 0)::bigint AS total_count,
        coalesce(sum(n_total - n_done - n_failed - n_cancelled)
            FILTER (WHERE lease_until IS NOT NULL), 0)::bigint AS processing_count,
        coalesce(sum(n_done), 0)::bigint AS done_count,
        coalesce(sum(n_failed), 0)::bigint AS failed_count,
        coalesce(sum(n_cancelled), 0)::bigint AS cancelled_count,
        coalesce(sum(n_created), 0)::bigint AS created_count,
        coalesce(sum(n_updated), 0)::bigint AS updated_count,
        coalesce(sum(n_deleted), 0)::bigint AS deleted_count,
        count(*) FILTER (WHERE lease_until > now()) AS leased_count,
        min(available_at) FILTER (WHERE state = 'ready') AS next_available_at,
        max(finished_at) AS last_finished_at,
        count(*) AS batch_count,
        count(*) FILTER (WHERE n_done + n_failed + n_cancelled = n_total) AS ended_batch_count,
        -- Of the last 60 s; sync_queue_progress makes a rate of it.
        coalesce(sum(worked_count) FILTER (WHERE worked_at > recent.since), 0)::bigint
            AS recent_count
    FROM sync_batch WHERE sync_batch.queue_no = q.queue_no
) AS b
CROSS JOIN LATERAL (
    SELECT b.done_count + b.failed_count + b.cancelled_count AS processed_count,
    CASE
        WHEN q.cancelled_at IS NOT NULL THEN 'cancelled'
        WHEN q.stage <> 'finished' AND q.process_count = 0 THEN 'draft'
        WHEN q.stage <> 'finished' THEN 'processing'
        WHEN q.forced_done_at IS NOT NULL THEN 'done'
        WHEN b.failed_count > 0 AND b.failed_count = b.total_count AND q.unchanged_count = 0
            THEN 'failed'
        WHEN b.failed_count > 0 OR q.is_complete IS FALSE THEN 'partial'
        ELSE 'done'
    END AS state
) AS s;

GRANT SELECT ON sync_queue_status TO sync_worker, sync_control;
