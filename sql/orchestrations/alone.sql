-- One start of an organization at a time: two alike at once are one orchestration, and queues are
--   opened in no other's midst. Caller: queue.orchestrations.starting, first in its transaction.
SELECT pg_advisory_xact_lock(hashtextextended('sync_orchestration ' || %(org_id)s, 0))
