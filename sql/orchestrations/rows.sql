-- How each connection and entity of an orchestration stands.
-- Caller: queue.orchestrations.following. Index: sync_orchestration_item_pkey, sync_queue_pkey, and
--   what sync_queue_status reads of one queue.
SELECT c.name AS connection, c.is_active AS is_connected, i.entity, s.id::text AS queue_id,
    i.is_joined, i.refusal,
    CASE WHEN i.refusal IS NOT NULL THEN 'refused'
         ELSE coalesce(s.state, i.tally ->> 'state', 'done') END AS state,
    coalesce(s.stage, 'finished') AS stage,
    coalesce(s.is_paused, false) AS is_paused, coalesce(s.is_processing, false) AS is_processing,
    coalesce(s.is_action_required, false) AS is_action_required, s.action_required_reason,
    s.retry_at, s.last_error,
    coalesce(s.scanned_count, kept.scanned, 0) AS scanned_count,
    coalesce(s.total_count,
        kept.created + kept.updated + kept.unchanged + kept.failed + kept.cancelled, 0)
        AS total_count,
    coalesce(s.created_count, kept.created, 0) AS created_count,
    coalesce(s.updated_count, kept.updated, 0) AS updated_count,
    coalesce(s.unchanged_count, kept.unchanged + kept.unchanged_besides, 0) AS unchanged_count,
    coalesce(s.failed_count, kept.failed, 0) AS failed_count,
    coalesce(s.cancelled_count, kept.cancelled, 0) AS cancelled_count,
    CASE WHEN coalesce(s.stage, 'finished') = 'finished' THEN 100.00 ELSE s.progress END AS progress,
    ARRAY(
        SELECT first.entity FROM sync_queue AS q
        JOIN sync_queue AS first ON first.queue_no = ANY (q.depends_on)
        WHERE q.queue_no = i.queue_no AND q.process_count = 0 AND q.stage <> 'finished'
          AND first.stage <> 'finished' AND NOT first.is_paused AND NOT first.is_action_required
          AND first.failure_count < 3
        ORDER BY first.queue_no
    ) AS waits_for
FROM sync_orchestration_item AS i
JOIN sync_connection AS c ON c.connection_id = i.connection_id
-- OFFSET: one queue at a time, not the batches of all queues there are.
LEFT JOIN LATERAL (
    SELECT * FROM sync_queue_status AS status WHERE status.queue_no = i.queue_no OFFSET 0
) AS s ON true
CROSS JOIN LATERAL (
    SELECT (i.tally ->> 'lines_created')::bigint AS created,
        (i.tally ->> 'lines_updated')::bigint AS updated,
        (i.tally ->> 'lines_unchanged')::bigint AS unchanged,
        coalesce((i.tally ->> 'records_unchanged')::bigint, 0) AS unchanged_besides,
        (i.tally ->> 'lines_failed')::bigint AS failed,
        (i.tally ->> 'lines_cancelled')::bigint AS cancelled,
        (i.tally ->> 'records_scanned')::bigint AS scanned
) AS kept
WHERE i.orchestration_no = %(orchestration_no)s
ORDER BY c.name, i.place
