-- Show for some seconds more that a process works on the queue; no row: it is over, nobody does.
-- Caller: queue.heartbeat, when work begins and every few seconds from its thread.
-- Index: sync_queue_pkey; no indexed column changes, so the update stays on its page.
UPDATE sync_queue
SET stage_lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE queue_no = %(queue_no)s AND cancelled_at IS NULL AND forced_done_at IS NULL
  AND (stage <> 'finished' OR reconciliation IS NULL)
RETURNING stage_lease_until
