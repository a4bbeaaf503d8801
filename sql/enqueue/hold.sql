-- Whether the queue stands at enqueue; no row: another process moved it on.
-- Caller: stages.enqueue, first in each of its transactions, after hold_shared.sql.
-- Index: sync_queue_pkey.
-- Why: a process that slept here while another went on would put old figures over newer ones, and
--   lines into a queue whose batches were cut. A statement of its own, to see what the lock waited for.
SELECT queue_no FROM sync_queue WHERE queue_no = %(queue_no)s AND stage = 'enqueue'
