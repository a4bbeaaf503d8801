-- Keep the queue at enqueue until this transaction ends; no row: another process moved it on.
-- Caller: stages.enqueue, first in each of its transactions. Index: sync_queue_pkey.
-- Why: a process that slept here while another went on would put old figures over newer ones, and
--   lines into a queue whose batches were cut. Shared, so that shares are made at once.
SELECT queue_no FROM sync_queue
WHERE queue_no = %(queue_no)s AND stage = 'enqueue'
FOR SHARE
