-- How many reverts of a queue leave the way free for another: cancelled, or from before it was worked
--   again (a retry opens a finished queue). What one of them took back is as it was: another does nothing.
-- Caller: queue.reverting. Index: sync_queue_latest_idx.
SELECT count(*) AS n_before FROM sync_queue
WHERE connection_id = %(connection_id)s AND entity = %(entity)s
  AND filters ->> 'reverts' = %(queue_id)s
  AND (cancelled_at IS NOT NULL OR created_at < %(finished_at)s)
