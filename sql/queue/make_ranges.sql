-- Have the tables of a queue's range, and ahead of need those of the next one.
-- Caller: queue.opening.open_queue, in the transaction that opens a queue.
-- Index: none; when the tables are there it asks the catalog for six names (0.1 ms).
SELECT sync_make_range(%(range_no)s), sync_make_range(%(range_no)s + 1)
