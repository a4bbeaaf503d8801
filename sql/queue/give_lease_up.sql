-- Say for a process that died that it works on the queue no more, instead of letting its lease run
--   out. Caller: queue.failures.record_loss. Index: sync_queue_pkey.
UPDATE sync_queue SET stage_lease_until = NULL WHERE queue_no = %(queue_no)s
