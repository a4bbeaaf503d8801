-- A process starts or resumes work on a queue. Caller: queue.queues.begin. Index: sync_queue_pkey.
-- Work on an open queue that waited for a person is that person's word: sensors leave it alone.
UPDATE sync_queue
SET process_count = process_count + 1, last_process_date = now(), updated_at = now(),
    work_began_at = now(), retry_at = NULL,
    is_action_required = is_action_required AND stage = 'finished',
    action_required_reason = CASE WHEN stage = 'finished' THEN action_required_reason END,
    last_dagster_run_id = coalesce(%(run_id)s, last_dagster_run_id)
WHERE queue_no = %(queue_no)s
