-- The reverts of a queue: how many there are, and since when the last one stands that was not cancelled.
-- Caller: queue.reverting. Index: sync_queue_latest_idx.
SELECT count(*) AS n_made,
    coalesce(max(created_at) FILTER (WHERE cancelled_at IS NULL), 'epoch') AS since,
    coalesce((array_agg(cancelled_at IS NULL ORDER BY queue_no DESC))[1], false) AS is_standing
FROM sync_queue
WHERE connection_id = %(connection_id)s AND entity = %(entity)s
  AND filters ->> 'reverts' = %(queue_id)s
