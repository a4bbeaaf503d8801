-- Whether who reads for a queue showed a sign of life within the lease of its stage.
-- Caller: stages.turns, while it waits. Index: sync_queue_pkey.
SELECT coalesce(stage_lease_until > now(), false) AS is_read FROM sync_queue
WHERE queue_no = %(queue_no)s
