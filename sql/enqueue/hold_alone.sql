-- Wait until nobody makes lines of the queue, and keep others from it until this transaction ends.
-- Caller: stages.enqueue, before advance.sql. Index: none, a lock (see hold_shared.sql).
SELECT pg_advisory_xact_lock(hashtextextended(
    'sync-pipeline enqueue ' || %(queue_no)s::text, 0))
