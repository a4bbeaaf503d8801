-- How far each queue is, how fast, and how long it will take: what `status`, the observations in
-- Dagster and everybody else show. One row per queue; ask for one of them by queue_no or id.
-- Index: sync_queue_pkey or sync_queue_id_key, sync_batch_lines_idx, sync_batch_worked_idx,
--   sync_page_pkey. Measured by `make bench ARGS=progress`.
--
-- What is counted follows the stage: records of the store until there are lines, then lines.
-- total_count is NULL while nobody knows it; line_count is of lines whatever the stage.
-- Rates are of the last 60 s and of no time before a process began, and 0 while a queue stands
-- still: paused, waiting for a person or its next try, or with a lease that ran out.
CREATE OR REPLACE VIEW sync_queue_progress WITH (security_invoker = true) AS
SELECT
    s.queue_no, s.id, s.org_id, s.connection_id, s.connection, s.entity, s.state, s.stage,
    CASE WHEN s.stage IN ('extract', 'enqueue') THEN 'records' ELSE 'lines' END AS unit,
    amount.processed_count, amount.total_count, s.failed_count,
    pace.items_per_min,
    CASE
        WHEN s.stage = 'finished' THEN 0.0
        WHEN s.stage <> 'enqueue' AND pace.items_per_min > 0 THEN
            round(greatest(amount.total_count - amount.processed_count, 0) * 60
                  / pace.items_per_min, 1)
    END AS eta_seconds,
    CASE
        WHEN s.stage = 'finished' THEN 100.00
        WHEN amount.total_count > 0 THEN
            least(round(amount.processed_count * 100.0 / amount.total_count, 2), 100.00)
        ELSE 0.00
    END AS completion_percent,
    s.batch_count, s.ended_batch_count,
    last_batch.batch_no AS last_batch_no, last_batch.worked_count AS last_batch_lines,
    round(last_batch.seconds, 3) AS last_batch_seconds,
    round(last_batch.worked_count * 60 / nullif(last_batch.seconds, 0), 1)
        AS last_batch_items_per_min,
    last_batch.worked_at AS last_batch_at,
    work.is_moving, s.is_processing, s.is_paused, s.retry_at, s.failure_count,
    s.last_error_code, s.last_error, s.forced_done_at,
    s.is_action_required, s.action_required_reason, s.process_count,
    s.total_count AS line_count, s.draft_count, s.processing_count, s.done_count,
    s.cancelled_count, s.created_count, s.updated_count, s.unchanged_count, s.progress,
    s.scanned_count, s.source_total, s.is_complete, s.reconciliation, s.filters,
    s.lifetime_value_rule, s.last_dagster_run_id, s.created_by, s.created_at, s.finished_at,
    s.certificate, s.deleted_count
FROM sync_queue_status AS s
-- OFFSET: computed once, not for every page.
CROSS JOIN LATERAL (
    SELECT s.stage <> 'finished' AND NOT s.is_paused AND NOT s.is_action_required
        AND coalesce(s.retry_at <= now(), true)
        -- A lease that was never taken says nothing; one that ran out says that nobody works.
        AND (s.is_processing OR s.stage_lease_until IS NULL) AS is_moving,
        greatest(s.work_began_at, now() - interval '60 s',
                 CASE WHEN s.stage = 'apply' THEN s.apply_began_at END) AS since
    OFFSET 0
) AS work
-- What landed of each listing that was begun. Only until there are lines: pages are soon purged.
CROSS JOIN LATERAL (
    SELECT coalesce(sum(listing.n_records), 0)::bigint AS n_records,
        sum(listing.total)::bigint AS total, coalesce(sum(listing.n_recent), 0) AS n_recent
    FROM (
        SELECT sum(p.n_records) AS n_records,
            least(max(p.total),
                  CASE WHEN p.listing = s.entity THEN (s.filters ->> 'limit')::bigint END) AS total,
            sum(p.n_records) FILTER (WHERE p.fetched_at > work.since) AS n_recent
        FROM sync_page AS p
        WHERE p.queue_no = s.queue_no AND s.stage IN ('extract', 'enqueue')
          -- A highest id only proves a listing, a slice is read besides, and what is absent was
          -- not read: no total counts them.
          AND right(p.listing, 8) NOT IN (':highest', ':answers')
          AND right(p.listing, 7) NOT IN (':rescan', ':absent')
        GROUP BY p.listing
    ) AS listing
) AS page
LEFT JOIN LATERAL (
    SELECT b.batch_no, b.worked_count, b.worked_at,
        extract(epoch FROM b.worked_at - b.claimed_at) AS seconds
    FROM sync_batch AS b
    WHERE b.queue_no = s.queue_no AND b.worked_at IS NOT NULL
    ORDER BY b.worked_at DESC LIMIT 1
) AS last_batch ON true
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN s.stage IN ('extract', 'enqueue') THEN page.n_records
             ELSE s.processed_count END AS processed_count,
        CASE WHEN s.stage IN ('extract', 'enqueue') THEN page.total
             ELSE s.total_count END AS total_count
) AS amount
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN s.stage = 'finished' THEN coalesce(round(
            (s.processed_count - s.cancelled_count) * 60
            / nullif(extract(epoch FROM s.finished_at - s.apply_began_at), 0), 1), 0.0)
        WHEN work.is_moving THEN coalesce(round(
            (page.n_recent + s.recent_count) * 60
            / nullif(extract(epoch FROM now() - work.since), 0), 1), 0.0)
        ELSE 0.0
    END AS items_per_min
) AS pace;

GRANT SELECT ON sync_queue_progress TO sync_worker, sync_control;
