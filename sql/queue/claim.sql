-- Lease the next open batch of one queue, or take over one whose lease ran out.
-- Caller: queue.leases.claim, in a transaction of its own, once per batch.
-- Index: sync_batch_open_idx (queue_no, batch_no) WHERE state IN ('ready', 'processing'):
--   partial, so a long history costs a claim nothing.
-- Why SKIP LOCKED: workers take different batches instead of waiting for each other.
-- Why token: a worker that outlived its lease holds an old number, and complete.sql then matches
--   no row. Why %(now_utc)s: tests move time.
WITH next AS MATERIALIZED (
    SELECT b.queue_no, b.batch_no
    FROM sync_batch AS b
    JOIN sync_queue AS q ON q.queue_no = b.queue_no
    WHERE b.queue_no = %(queue_no)s AND NOT q.is_paused AND q.cancelled_at IS NULL
      AND (b.state = 'ready' AND b.available_at <= coalesce(%(now_utc)s, now())
           OR b.state = 'processing' AND b.lease_until <= coalesce(%(now_utc)s, now()))
      AND b.state IN ('ready', 'processing')
    ORDER BY b.batch_no LIMIT 1
    FOR UPDATE OF b SKIP LOCKED
)
UPDATE sync_batch AS batch
SET state = 'processing', token = token + 1, attempt = attempt + 1, worker = %(worker)s,
    takeover_count = takeover_count + CASE WHEN state = 'processing' THEN 1 ELSE 0 END,
    lease_until = coalesce(%(now_utc)s, now()) + make_interval(secs => %(lease_seconds)s),
    claimed_at = coalesce(%(now_utc)s, now())
FROM next
WHERE batch.queue_no = next.queue_no AND batch.batch_no = next.batch_no
RETURNING batch.queue_no, batch.batch_no, batch.token, batch.attempt, batch.pass,
    batch.first_line, batch.last_line, batch.operation
