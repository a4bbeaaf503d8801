-- Seconds until a batch of the queue can be claimed: 0 now, NULL when none is open.
-- Caller: queue.leases.seconds_until_due, when a claim found nothing.
-- Index: sync_batch_open_idx.
SELECT extract(epoch FROM min(greatest(
    CASE state WHEN 'ready' THEN available_at ELSE lease_until END - now(), interval '0'
)))::float8 AS seconds
FROM sync_batch
WHERE queue_no = %(queue_no)s AND state IN ('ready', 'processing')
