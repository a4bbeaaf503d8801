-- Every range of queue numbers before the one in use: what it holds, and which of its queues keeps it.
-- Caller: queue.retention.purge. Index: sync_queue_pkey, one span of it a range, and sync_batch_pkey;
--   finished queues are kept 30 days, so there are some tens of ranges.
-- The last queue of a range is an unfinished one, if there is one, else the one that finished last.
WITH part AS (
    SELECT c.oid, substring(c.relname from '_r([0-9]+)$')::bigint AS range_no,
        i.inhparent = 'sync_page'::regclass AS is_of_pages
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('sync_line'::regclass, 'sync_activity'::regclass, 'sync_page'::regclass)
      AND c.relname ~ '_r[0-9]+$'
),
known AS (
    SELECT range_no FROM part
    UNION
    SELECT queue_no / %(queues_per_range)s FROM sync_queue
)
SELECT known.range_no, queues.n_queues, queues.n_old, batches.n_lines,
    coalesce(tables.n_bytes, 0) AS n_bytes, coalesce(tables.n_page_bytes, 0) AS n_page_bytes,
    coalesce(tables.has_pages, false) AS has_pages,
    last.id AS last_id, last.finished_at AS last_finished_at, last.id IS NOT NULL AS has_queues
FROM known
LEFT JOIN (
    SELECT range_no, bool_or(is_of_pages) AS has_pages,
        sum(pg_total_relation_size(oid))::bigint AS n_bytes,
        coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE is_of_pages), 0)::bigint
            AS n_page_bytes
    FROM part GROUP BY range_no
) AS tables ON tables.range_no = known.range_no
CROSS JOIN LATERAL (
    SELECT count(*) AS n_queues, count(*) FILTER (WHERE finished_at < %(before_utc)s) AS n_old
    FROM sync_queue AS q
    WHERE q.queue_no >= known.range_no * %(queues_per_range)s
      AND q.queue_no < (known.range_no + 1) * %(queues_per_range)s
) AS queues
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n_total), 0)::bigint AS n_lines FROM sync_batch AS b
    WHERE b.queue_no >= known.range_no * %(queues_per_range)s
      AND b.queue_no < (known.range_no + 1) * %(queues_per_range)s
) AS batches
LEFT JOIN LATERAL (
    SELECT id, finished_at FROM sync_queue AS q
    WHERE q.queue_no >= known.range_no * %(queues_per_range)s
      AND q.queue_no < (known.range_no + 1) * %(queues_per_range)s
    ORDER BY q.finished_at DESC NULLS FIRST LIMIT 1
) AS last ON true
WHERE known.range_no < %(current_range)s
ORDER BY known.range_no
