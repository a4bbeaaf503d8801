-- State and counters of an orchestration, from its queues: never set by hand, so never wrong.
-- Index: sync_orchestration_pkey, sync_orchestration_item_pkey, sync_queue_pkey, and what
--   sync_queue_status reads of one queue.
-- A queue that was purged has ended; what it ended with is kept in its item.
CREATE OR REPLACE VIEW sync_orchestration_status WITH (security_invoker = true) AS
SELECT
    o.orchestration_no, o.id, o.org_id, o.systems, o.entities, o.is_full, o.idempotency_key,
    CASE
        WHEN t.n_open > 0 THEN CASE WHEN t.is_begun THEN 'processing' ELSE 'draft' END
        WHEN t.n_cancelled > 0
            AND (o.cancelled_at IS NOT NULL OR t.n_cancelled = t.n_queues + t.n_refused)
            THEN 'cancelled'
        WHEN t.n_done = t.n_queues AND t.n_queues > 0 AND t.n_refused = 0 THEN 'done'
        WHEN t.n_done + t.n_partial > 0 THEN 'partial'
        ELSE 'failed'
    END AS state,
    t.n_connections, t.n_queues, t.n_draft, t.n_processing, t.n_done, t.n_partial, t.n_failed,
    t.n_cancelled, t.n_purged, t.n_refused, t.n_paused,
    -- Nothing of it may go on.
    t.n_open > 0 AND t.n_paused = t.n_open AS is_paused,
    t.is_processing, t.is_action_required, t.action_required_reason,
    t.total_count, t.draft_count, t.processing_count, t.done_count, t.failed_count,
    t.cancelled_count, t.created_count, t.updated_count, t.unchanged_count, t.scanned_count,
    -- Lines are made late, so each queue counts alike.
    coalesce(t.progress, 100.00) AS progress,
    o.created_by, o.created_at, o.created_at AS started_at,
    CASE WHEN t.n_open = 0 THEN coalesce(t.last_finished_at, o.created_at) END AS finished_at,
    greatest(o.created_at, o.cancelled_at, t.last_updated_at) AS updated_at,
    o.cancelled_at, o.noted_state
FROM sync_orchestration AS o
CROSS JOIN LATERAL (
    SELECT
        count(DISTINCT i.connection_id) AS n_connections,
        count(*) FILTER (WHERE i.refusal IS NOT NULL) AS n_refused,
        count(*) FILTER (WHERE i.refusal IS NULL) AS n_queues,
        count(*) FILTER (WHERE s.state = 'draft') AS n_draft,
        count(*) FILTER (WHERE s.state = 'processing') AS n_processing,
        count(*) FILTER (WHERE s.state = 'done') AS n_done,
        count(*) FILTER (WHERE s.state = 'partial') AS n_partial,
        count(*) FILTER (WHERE s.state = 'failed') AS n_failed,
        count(*) FILTER (WHERE s.state = 'cancelled') AS n_cancelled,
        count(*) FILTER (WHERE i.refusal IS NULL AND q.queue_no IS NULL) AS n_purged,
        count(*) FILTER (WHERE s.state IN ('draft', 'processing')) AS n_open,
        count(*) FILTER (WHERE s.state IN ('draft', 'processing') AND q.is_paused) AS n_paused,
        coalesce(bool_or(s.state <> 'draft'), false) AS is_begun,
        coalesce(bool_or(q.is_processing), false) AS is_processing,
        coalesce(bool_or(q.is_action_required), false) OR count(i.refusal) > 0
            AS is_action_required,
        nullif(concat_ws('; ',
            string_agg(c.name || ' ' || i.entity || ': ' || q.action_required_reason, '; '
                ORDER BY c.name, i.place) FILTER (WHERE q.is_action_required),
            string_agg(c.name || ' ' || i.entity || ': ' || i.refusal, '; '
                ORDER BY c.name, i.place) FILTER (WHERE i.refusal IS NOT NULL)), '')
            AS action_required_reason,
        coalesce(sum(coalesce(q.total_count, kept.total_count)), 0)::bigint AS total_count,
        coalesce(sum(q.draft_count), 0)::bigint AS draft_count,
        coalesce(sum(q.processing_count), 0)::bigint AS processing_count,
        coalesce(sum(coalesce(q.done_count, kept.done_count)), 0)::bigint AS done_count,
        coalesce(sum(coalesce(q.failed_count, kept.failed_count)), 0)::bigint AS failed_count,
        coalesce(sum(coalesce(q.cancelled_count, kept.cancelled_count)), 0)::bigint
            AS cancelled_count,
        coalesce(sum(coalesce(q.created_count, kept.created_count)), 0)::bigint AS created_count,
        coalesce(sum(coalesce(q.updated_count, kept.updated_count)), 0)::bigint AS updated_count,
        coalesce(sum(coalesce(q.unchanged_count, kept.unchanged_count)), 0)::bigint
            AS unchanged_count,
        coalesce(sum(coalesce(q.scanned_count, (i.tally ->> 'records_scanned')::bigint)), 0)::bigint
            AS scanned_count,
        round(avg(CASE WHEN s.state IN ('draft', 'processing') THEN q.progress ELSE 100 END), 2)
            AS progress,
        max(coalesce(q.finished_at, (i.tally ->> 'finished_at')::timestamptz)) AS last_finished_at,
        max(q.updated_at) AS last_updated_at
    FROM sync_orchestration_item AS i
    JOIN sync_connection AS c ON c.connection_id = i.connection_id
    -- OFFSET: one queue at a time, not the batches of all queues there are.
    LEFT JOIN LATERAL (
        SELECT * FROM sync_queue_status AS status WHERE status.queue_no = i.queue_no OFFSET 0
    ) AS q ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.refusal IS NULL
            THEN coalesce(q.state, i.tally ->> 'state', 'done') END AS state
    ) AS s
    CROSS JOIN LATERAL (
        SELECT created + updated + unchanged + failed + cancelled AS total_count,
            created + updated + unchanged AS done_count, failed AS failed_count,
            cancelled AS cancelled_count, created AS created_count, updated AS updated_count,
            -- And those whose content was applied before: they never were lines.
            unchanged + coalesce((i.tally ->> 'records_unchanged')::bigint, 0) AS unchanged_count
        FROM (
            SELECT coalesce((i.tally ->> 'lines_created')::bigint, 0) AS created,
                coalesce((i.tally ->> 'lines_updated')::bigint, 0) AS updated,
                coalesce((i.tally ->> 'lines_unchanged')::bigint, 0) AS unchanged,
                coalesce((i.tally ->> 'lines_failed')::bigint, 0) AS failed,
                coalesce((i.tally ->> 'lines_cancelled')::bigint, 0) AS cancelled
        ) AS n
    ) AS kept
    WHERE i.orchestration_no = o.orchestration_no
) AS t;

GRANT SELECT ON sync_orchestration_status TO sync_worker, sync_control;
