-- Drop nothing while somebody opens a queue, and let nobody open one while we drop.
-- Caller: queue.retention, first in its transactions; sync_make_range holds the same lock, shared.
-- Why a timeout: who waits for a table makes everybody after him wait. It is below deadlock_timeout
--   (1 s), so that of two who wait for each other it is always retention that gives way.
SELECT set_config('lock_timeout', %(lock_timeout_ms)s::text, true),
    pg_advisory_xact_lock(7310911846023)
