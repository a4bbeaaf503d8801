-- What stands with a queue from failures before, held until the next one is written.
-- Caller: queue.failures. Index: sync_queue_pkey.
SELECT stage, failure_count, is_paused, cancelled_at IS NOT NULL AS is_cancelled,
    last_dagster_run_id, coalesce(stage_lease_until > clock_timestamp(), false) AS is_worked
FROM sync_queue WHERE queue_no = %(queue_no)s
FOR NO KEY UPDATE
