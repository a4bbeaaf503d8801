-- Keep everybody away from a connection for a while, as its remote system asked.
-- Caller: sources.throttle.bucket.PostgresBucket.block. Index: sync_throttle_pkey.
-- Why next_at moves too: requests that wait go on one after the other then, not in a burst.
INSERT INTO sync_throttle AS bucket (connection_id, org_id, next_at, blocked_until)
VALUES (%(connection_id)s, %(org_id)s::sync_org_id,
    clock_timestamp() + make_interval(secs => %(seconds)s + %(tolerance_seconds)s),
    clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (connection_id) DO UPDATE
SET next_at = greatest(bucket.next_at, EXCLUDED.next_at),
    blocked_until = greatest(bucket.blocked_until, EXCLUDED.blocked_until)
