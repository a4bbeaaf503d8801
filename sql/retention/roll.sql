-- Take further queue numbers from the next range, when the first queue of this one is old enough.
-- Caller: queue.retention.maintain, after alone.sql: numbers are taken meanwhile, ranges not moved.
-- Index: sync_queue_pkey.
-- Why not near its end: a number that is taken in this very instant may be the first of the next
--   range, and would be given out again. A range that is nearly full ends by itself.
SELECT setval('sync_queue_queue_no_seq', (place.range_no + 1) * %(queues_per_range)s, false)
    / %(queues_per_range)s AS range_no
FROM (
    SELECT last_value / %(queues_per_range)s AS range_no,
        last_value %% %(queues_per_range)s AS n_taken
    FROM sync_queue_queue_no_seq
) AS place
WHERE place.n_taken < %(queues_per_range)s * 9 / 10
  AND (
    SELECT q.created_at FROM sync_queue AS q
    WHERE q.queue_no >= place.range_no * %(queues_per_range)s ORDER BY q.queue_no LIMIT 1
  ) <= %(before_utc)s
