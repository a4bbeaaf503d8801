-- Hand a leased batch back, to be claimed again after a wait.
-- Caller: queue.completion.release, after a passing fault (serialization, deadlock, lost race).
-- Index: sync_batch_pkey.
UPDATE sync_batch
SET state = 'ready', lease_until = NULL,
    -- A fault that passes says nothing against the lines: it does not count as a claim.
    attempt = greatest(attempt - 1, 0),
    available_at = now() + make_interval(secs => %(backoff_seconds)s)
WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
  AND state = 'processing' AND token = %(token)s
RETURNING batch_no
