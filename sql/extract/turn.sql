-- Take the turn to read for a queue, if nobody has it; it ends with the session.
-- Caller: stages.turns. Index: none, a lock.
SELECT pg_try_advisory_lock(hashtextextended('sync-pipeline extract ' || %(queue_no)s::text, 0))
