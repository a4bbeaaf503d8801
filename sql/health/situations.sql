-- How every active connection and entity stands, in one snapshot: what is open, what ended, counts.
-- Caller: queue.situations, as sync_control: for `health`, and for every scrape of the metrics.
-- Index: sync_queue_unfinished_idx (open queues), sync_queue_pkey (those that come before them),
--   sync_batch_pkey (their batches only),
--   sync_queue_latest_idx (the last of each pair that ended); connections, counters and circuits are read
--   whole: they are as many as there are connections.
-- Why one statement: a queue that finishes moves its counts from its batches to sync_counter; two
--   snapshots would see them twice, or not at all.
WITH counted AS MATERIALIZED (
    -- json, not jsonb: nothing looks into it here (8 ms the statement instead of 12).
    SELECT connection_id, entity, json_object_agg(name, value) AS counters
    FROM sync_counter GROUP BY connection_id, entity
),
unfinished AS MATERIALIZED (
    SELECT
        q.connection_id, q.entity, q.id, q.is_paused, q.process_count, q.is_action_required,
        q.action_required_reason, q.failure_count, q.last_error_code, q.last_error, q.tally,
        q.retry_at, q.updated_at, q.is_window, q.is_beside, q.queue_no,
        -- Since when somebody could work on it: after every lease, wait and sign of life.
        greatest(q.updated_at, q.last_process_date, q.stage_lease_until, q.retry_at,
                 b.lease_until, b.finished_at, b.available_at, circuit.open_until,
                 before.until) AS due_at, q.stage_lease_until,
        CASE WHEN coalesce(q.retry_at, b.retry_at) IS NOT NULL
            THEN greatest(least(q.retry_at, b.retry_at), circuit.open_until)
        END AS oldest_retry_at,
        b.draft_lines, b.processing_lines, b.failed_lines, b.live
    FROM sync_queue AS q
    -- Nobody is to ask a store whose circuit is open.
    LEFT JOIN sync_circuit AS circuit
        ON circuit.connection_id = q.connection_id AND circuit.state <> 'closed'
    CROSS JOIN LATERAL (
        SELECT
            max(lease_until) AS lease_until, max(finished_at) AS finished_at,
            min(available_at) FILTER (WHERE state = 'ready') AS available_at,
            min(available_at) FILTER (WHERE state = 'ready' AND pass > 1) AS retry_at,
            coalesce(sum(n_total - n_done - n_failed - n_cancelled)
                FILTER (WHERE state <> 'processing'), 0) AS draft_lines,
            coalesce(sum(n_total - n_done - n_failed - n_cancelled)
                FILTER (WHERE state = 'processing'), 0) AS processing_lines,
            coalesce(sum(n_failed), 0) AS failed_lines,
            json_build_object(
                'lines_created', coalesce(sum(n_created), 0),
                'lines_updated', coalesce(sum(n_updated), 0),
                'lines_unchanged', coalesce(sum(n_unchanged), 0),
                'lines_cancelled', coalesce(sum(n_cancelled), 0),
                'takeovers', coalesce(sum(takeover_count), 0),
                'retries', coalesce(sum(pass - 1), 0)) AS live
        FROM sync_batch WHERE sync_batch.queue_no = q.queue_no
    ) AS b
    -- Until when it waited for the queues that come before it: till now, while one is worked.
    CROSS JOIN LATERAL (
        SELECT max(CASE
            WHEN first.stage = 'finished' THEN first.finished_at
            WHEN first.is_paused OR first.is_action_required OR first.failure_count >= 3
                THEN first.updated_at
            ELSE now()
        END) AS until
        FROM sync_queue AS first WHERE first.queue_no = ANY (q.depends_on)
    ) AS before
    -- What a preview shows is never counted, so it must not be while it is open.
    WHERE q.stage <> 'finished' AND NOT q.filters ? 'preview'
),
-- A window or an undo may be open beside a sync: one row for all, for counts come once. It
-- tells of the sync, and its lines are those of all.
first_one AS (
    SELECT DISTINCT ON (connection_id, entity) * FROM unfinished
    ORDER BY connection_id, entity, is_beside, is_window, queue_no
),
open_one AS (
    SELECT one.*, neighbour.until AS neighbour_until, beside.live AS live_beside, beside.draft_lines AS draft_beside,
        beside.processing_lines AS processing_beside, beside.failed_lines AS failed_beside
    FROM first_one AS one
    CROSS JOIN LATERAL (
        SELECT sum(other.draft_lines) AS draft_lines, sum(other.failed_lines) AS failed_lines,
            sum(other.processing_lines) AS processing_lines,
            json_agg(json_build_object('live', other.live, 'tally', other.tally)) AS live
        FROM unfinished AS other
        WHERE other.connection_id = one.connection_id AND other.entity = one.entity
          AND other.queue_no <> one.queue_no
    ) AS beside
    -- One run of a store at a time: it waits for another entity that is worked.
    CROSS JOIN LATERAL (
        SELECT max(other.stage_lease_until) AS until FROM unfinished AS other
        WHERE other.connection_id = one.connection_id AND other.queue_no <> one.queue_no
    ) AS neighbour
),
pair AS (
    SELECT * FROM counted FULL JOIN open_one USING (connection_id, entity)
)
SELECT
    c.connection_id, c.name AS connection, c.org_id::text AS organization, pair.entity,
    c.created_at AS registered_at, now() AS now_utc,
    coalesce(pair.counters, '{}') AS counters, coalesce(pair.tally, '{}') AS tally,
    CASE WHEN pair.live_beside IS NULL THEN coalesce(pair.live, '{}') ELSE (
        SELECT json_object_agg(own.key, own.value::bigint + (
            SELECT sum((one -> 'live' ->> own.key)::bigint
                - coalesce((one -> 'tally' ->> own.key)::bigint, 0))
            FROM json_array_elements(pair.live_beside) AS one))
        FROM json_each_text(pair.live) AS own) END AS live,
    pair.id::text AS open_queue_id, coalesce(pair.is_paused, false) AS is_paused,
    coalesce(pair.process_count > 0, false) AS has_begun,
    coalesce(pair.failure_count, 0) AS failure_count, pair.last_error_code, pair.last_error,
    pair.updated_at, greatest(pair.due_at, pair.neighbour_until) AS due_at,
    CASE WHEN pair.oldest_retry_at IS NOT NULL
        THEN greatest(pair.oldest_retry_at, pair.neighbour_until) END AS oldest_retry_at,
    (coalesce(pair.draft_lines, 0) + coalesce(pair.draft_beside, 0))::bigint AS draft_lines,
    (coalesce(pair.processing_lines, 0) + coalesce(pair.processing_beside, 0))::bigint
        AS processing_lines,
    (coalesce(pair.failed_lines, 0) + coalesce(pair.failed_beside, 0))::bigint AS failed_lines,
    stopped.is_stopped,
    stopped.is_stopped OR coalesce(ended.is_action_required, false) AS is_action_required,
    CASE WHEN stopped.is_stopped THEN pair.id ELSE ended.id END::text AS newest_queue_id,
    CASE WHEN stopped.is_stopped THEN pair.action_required_reason
         ELSE ended.action_required_reason END AS action_required_reason,
    ended.id::text AS ended_queue_id, ended.tally ->> 'state' AS ended_state,
    ended.action_required_reason AS ended_reason,
    coalesce(circuit.state, 'closed') AS circuit_state, circuit.open_until AS circuit_open_until,
    circuit.last_error AS circuit_error
FROM sync_connection AS c
LEFT JOIN pair ON pair.connection_id = c.connection_id
LEFT JOIN sync_circuit AS circuit ON circuit.connection_id = c.connection_id
CROSS JOIN LATERAL (
    SELECT coalesce(pair.is_action_required, false) AS is_stopped
) AS stopped
-- What runs now says nothing yet: what the last one left to a person waits until this one has ended.
LEFT JOIN LATERAL (
    SELECT q.id, q.tally, q.is_action_required, q.action_required_reason
    FROM sync_queue AS q
    WHERE q.connection_id = c.connection_id AND q.entity = pair.entity
      AND q.stage = 'finished' AND q.cancelled_at IS NULL AND NOT q.is_beside
    ORDER BY q.created_at DESC LIMIT 1
) AS ended ON true
WHERE c.is_active
ORDER BY c.name, pair.entity
