-- Say that nobody works on the queue any more, unless another process has shown since that it does.
-- Caller: queue.heartbeat, when work ends. Index: sync_queue_pkey.
UPDATE sync_queue SET stage_lease_until = NULL
WHERE queue_no = %(queue_no)s AND stage_lease_until = %(lease_until)s
