-- What decides whether a queue needs a run: every open queue, and the newest finished one of a
--   connection and entity when it was never compared with its store.
-- Caller: queue.attention.needing_attention, as sync_control, once a tick of each sensor.
-- Index: sync_queue_unfinished_idx, sync_queue_latest_idx, sync_batch_open_idx,
--   sync_circuit_pkey, sync_orchestration_pkey, sync_orchestration_item_pkey, sync_queue_pkey:
--   finished queues cost nothing, however many there are.
-- What is of a connection that was disconnected waits until it is connected again.
-- Batches are read only of queues that nobody works on: a running one may have thousands open.
WITH open_queue AS (
    SELECT q.* FROM sync_queue AS q
    JOIN sync_connection AS c ON c.connection_id = q.connection_id
    WHERE q.stage <> 'finished' AND q.queue_no > %(after_queue_no)s AND c.is_active
      -- Who asked for a preview goes on with it; one that nobody wants any more is cancelled.
      AND NOT q.filters ? 'preview'
    ORDER BY q.queue_no LIMIT %(most)s
),
never_compared AS (
    SELECT last.*
    FROM sync_connection AS c
    CROSS JOIN unnest(%(entities)s::text[]) AS entity
    CROSS JOIN LATERAL (
        SELECT q.* FROM sync_queue AS q
        WHERE q.connection_id = c.connection_id AND q.entity = entity.entity AND NOT q.is_window
          AND NOT q.is_beside
        ORDER BY q.created_at DESC LIMIT 1
    ) AS last
    WHERE c.is_active
      AND last.stage = 'finished' AND last.reconciliation IS NULL
      AND last.filters - 'deletion_limit_percent' = '{}'
      AND last.cancelled_at IS NULL AND last.forced_done_at IS NULL
      -- Whoever finished it compares at once, and its pages are not kept for ever.
      AND last.finished_at BETWEEN now() - interval '1 day' AND now() - interval '1 minute'
      AND %(after_queue_no)s = 0
)
SELECT
    q.queue_no, q.id::text AS queue_id, q.org_id::text AS org_id, c.name AS connection, c.system,
    q.entity, q.stage, q.process_count, q.is_paused, q.cancelled_at IS NOT NULL AS is_cancelled,
    q.is_action_required, q.stage_lease_until AS lease_until, q.retry_at, q.last_error_code,
    q.created_at, q.updated_at, q.last_dagster_run_id, batch.next_due_at,
    q.filters ?| ARRAY['reverts', 'resolves'] AS is_change,
    circuit.open_until AS circuit_open_until,
    others.orchestration_id,
    coalesce(others.is_orchestration_begun, false) AS is_orchestration_begun,
    q.stage <> 'finished' AND q.depends_on <> '{}' AND coalesce(others.come_first, false)
        AS waits_for_others
FROM (SELECT * FROM open_queue UNION ALL SELECT * FROM never_compared) AS q
JOIN sync_connection AS c ON c.connection_id = q.connection_id
-- LIMIT: by index for each queue, not a hash of all orchestrations and queues there ever were.
LEFT JOIN LATERAL (
    SELECT o.id::text AS orchestration_id,
        -- Its queues of this connection: when one was worked, the rest go on one by one.
        (SELECT true FROM sync_orchestration_item AS i
         JOIN LATERAL (
             SELECT FROM sync_queue AS other
             WHERE other.queue_no = i.queue_no
               AND (other.process_count > 0 OR other.stage = 'finished') LIMIT 1
         ) AS worked ON true
         WHERE i.orchestration_no = o.orchestration_no AND i.connection_id = q.connection_id
         LIMIT 1) AS is_orchestration_begun,
        -- What waits for a person, or failed three times in a row, may wait for long; and what comes
        -- late is filled in.
        (SELECT true FROM unnest(q.depends_on) AS number
         JOIN LATERAL (
             SELECT FROM sync_queue AS first
             WHERE first.queue_no = number AND first.stage <> 'finished'
               AND NOT first.is_paused AND NOT first.is_action_required
               AND first.failure_count < 3 LIMIT 1
         ) AS unfinished ON true
         LIMIT 1) AS come_first
    FROM sync_orchestration AS o
    WHERE o.orchestration_no = q.orchestration_no LIMIT 1
) AS others ON true
-- Only reading asks the store: lines are applied all the same.
LEFT JOIN sync_circuit AS circuit
    ON circuit.connection_id = q.connection_id AND q.stage = 'extract'
LEFT JOIN LATERAL (
    SELECT min(CASE b.state WHEN 'ready' THEN b.available_at ELSE b.lease_until END) AS next_due_at
    FROM sync_batch AS b
    WHERE b.queue_no = q.queue_no AND b.state IN ('ready', 'processing')
) AS batch ON q.stage = 'apply' AND NOT q.is_paused
    AND coalesce(q.stage_lease_until, '-infinity') <= now()
ORDER BY q.queue_no
