-- Keep the queue from moving on to apply until this transaction ends; others may make lines too.
-- Caller: stages.enqueue, before hold.sql. Index: none, a lock.
-- Why no lock of the row: whoever shows that the queue is worked on, pauses or cancels it must not
--   wait for the lines of a million records.
SELECT pg_advisory_xact_lock_shared(hashtextextended(
    'sync-pipeline enqueue ' || %(queue_no)s::text, 0))
