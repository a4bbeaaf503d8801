-- Lines of a queue by state, counted one by one, to hold against the counters of its batches.
-- Caller: orchestration.figures. Index: sync_line_pkey and sync_batch_pkey, one queue's range.
SELECT state, count(*) AS n_lines
FROM sync_line_status WHERE queue_no = %(queue_no)s GROUP BY state
