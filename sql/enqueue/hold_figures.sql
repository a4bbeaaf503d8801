-- Keep the figures of a connection's orders alone until this transaction ends.
-- Caller: stages.figures, last of the locks that an enqueue takes, so that nobody waits in a circle.
-- Index: none, a lock.
-- Why: customers and orders may be enqueued at once, and both take over what they read of the orders.
SELECT pg_advisory_xact_lock(hashtextextended(
    'sync-pipeline figures ' || %(connection_id)s::text, 0))
