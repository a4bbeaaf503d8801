-- The reverts of a queue that were not cancelled, and the highest number among all of its reverts.
-- Caller: queue.reverting. Index: sync_queue_latest_idx.
-- since: when the last one that is finished was made; what the queue did until then is taken back.
-- open_key, last_key: of the one that is not finished yet, and of the last one.
SELECT coalesce(max(created_at) FILTER (WHERE is_standing AND stage = 'finished'), 'epoch') AS since,
    (array_agg(idempotency_key ORDER BY queue_no DESC)
        FILTER (WHERE is_standing AND stage <> 'finished'))[1] AS open_key,
    (array_agg(idempotency_key ORDER BY queue_no DESC) FILTER (WHERE is_standing))[1] AS last_key,
    coalesce(max(coalesce(substring(idempotency_key FROM '^revert:[^:]+:([0-9]+)$'), '1')::integer), 0)
        AS highest
FROM (
    SELECT queue_no, created_at, stage, idempotency_key, cancelled_at IS NULL AS is_standing
    FROM sync_queue
    WHERE connection_id = %(connection_id)s AND entity = %(entity)s
      AND filters ->> 'reverts' = %(queue_id)s
) AS revert
