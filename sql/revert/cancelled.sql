-- How many reverts of a queue were cancelled: each leaves the way free for another.
-- Caller: queue.reverting. Index: sync_queue_latest_idx.
SELECT count(*) AS n_cancelled FROM sync_queue
WHERE connection_id = %(connection_id)s AND entity = %(entity)s
  AND filters ->> 'reverts' = %(queue_id)s AND cancelled_at IS NOT NULL
