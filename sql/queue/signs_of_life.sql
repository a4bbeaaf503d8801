-- How long nobody has shown that they work on these queues; the wait for a lease to run out is none.
-- Caller: queue.attention.signs_of_life, as sync_control. Index: sync_queue_id_key.
-- Who gave the lease back has ended, or is about to. A server that was just started has heard
-- nobody yet: the silence begins with it.
SELECT id::text AS queue_id, last_dagster_run_id,
    extract(epoch FROM now() - greatest(
        coalesce(stage_lease_until, last_process_date + interval '40 s'),
        pg_postmaster_start_time()))::float8 AS silent_seconds
FROM sync_queue WHERE id = ANY(%(queue_ids)s::uuid[])
