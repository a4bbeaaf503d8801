-- Tables that are missing for the newest queue's range and the one after it (migration 0003).
-- Caller: queue.health, as sync_control. Index: sync_queue_pkey, its last entry.
SELECT
    string_agg(name || '_r' || range_no, ', ' ORDER BY range_no, name)
        FILTER (WHERE range_no = newest) AS missing_now,
    string_agg(name || '_r' || range_no, ', ' ORDER BY range_no, name)
        FILTER (WHERE range_no > newest) AS missing_next
FROM (SELECT max(queue_no) / %(queues_per_range)s AS newest FROM sync_queue) AS queue
CROSS JOIN LATERAL generate_series(newest, newest + 1) AS range_no
CROSS JOIN unnest(ARRAY['sync_line', 'sync_activity', 'sync_page']) AS name
WHERE to_regclass(name || '_r' || range_no) IS NULL
