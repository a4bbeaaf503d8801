-- A process starts or resumes work on a queue. Caller: queue.queues.begin. Index: sync_queue_pkey.
UPDATE sync_queue
SET process_count = process_count + 1, last_process_date = now(), updated_at = now(),
    work_began_at = now(),
    last_dagster_run_id = coalesce(%(run_id)s, last_dagster_run_id)
WHERE queue_no = %(queue_no)s
