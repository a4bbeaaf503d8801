-- What stands with a queue from failures before, held until the next one is written.
-- Caller: queue.failures. Index: sync_queue_pkey.
SELECT stage, failure_count, is_paused, last_dagster_run_id,
    stage_lease_until IS NOT NULL AS is_leased
FROM sync_queue WHERE queue_no = %(queue_no)s
FOR NO KEY UPDATE
