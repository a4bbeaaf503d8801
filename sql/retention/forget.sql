-- Delete what is left of a range outside its tables: queues, batches, conflicts that are closed.
-- Open conflicts name a record that a person must still look at. Who lost what is in the activity.
-- Caller: queue.retention, when hold.sql said that it is over, before the tables are dropped.
-- Index: sync_queue_pkey, sync_batch_pkey, sync_conflict_queue_idx,
--   sync_orchestration_item_queue_idx.
WITH conflict AS (
    DELETE FROM sync_conflict
    WHERE queue_no >= %(first_queue_no)s AND queue_no < %(beyond_queue_no)s AND state <> 'open'
),
batch AS (
    DELETE FROM sync_batch
    WHERE queue_no >= %(first_queue_no)s AND queue_no < %(beyond_queue_no)s
    RETURNING queue_no, n_total
),
queue AS (
    DELETE FROM sync_queue
    WHERE queue_no >= %(first_queue_no)s AND queue_no < %(beyond_queue_no)s
    RETURNING queue_no, org_id, finished_at, tally, scanned_count, unchanged_count
),
-- What its orchestration says of it from now on.
item AS (
    UPDATE sync_orchestration_item AS i
    SET tally = coalesce(queue.tally, '{}')
            || jsonb_build_object('finished_at', queue.finished_at,
                'records_scanned', queue.scanned_count, 'records_unchanged', queue.unchanged_count),
        purged_at = now()
    FROM queue WHERE i.queue_no = queue.queue_no
),
tally AS (
    SELECT queue.org_id, count(*) AS n_queues, max(queue.finished_at) AS last_finished_at,
        coalesce(sum(lines.n), 0)::bigint AS n_lines
    FROM queue
    LEFT JOIN (SELECT queue_no, sum(n_total) AS n FROM batch GROUP BY queue_no) AS lines
        ON lines.queue_no = queue.queue_no
    GROUP BY queue.org_id
),
audited AS (
    INSERT INTO sync_activity_general (org_id, activity_type, status, message, details)
    SELECT org_id, 'history_purged', 'info',
        n_queues || ' queues with ' || n_lines || ' lines were purged, the last finished '
            || to_char(last_finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC',
        jsonb_build_object('queues', n_queues, 'lines', n_lines,
            'last_finished_at', last_finished_at)
    FROM tally
)
SELECT coalesce(sum(n_queues), 0)::bigint AS n_queues, coalesce(sum(n_lines), 0)::bigint AS n_lines
FROM tally
