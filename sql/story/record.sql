-- Which of our rows a remote record is, what it was last taken to have, and what that row holds now.
-- Caller: queue.story. Index: sync_record_pkey, the target's key.
SELECT r.local_id, r.origin, r.applied_at, r.tombstoned_at, r.tombstone_reason, r.absence_count,
    r.elsewhere_as, origin.id AS origin_queue_id, applied.id AS applied_queue_id, r.base,
    to_jsonb(t) AS ours, t.updated_at AS ours_updated_at
FROM sync_record AS r
LEFT JOIN sync_queue AS origin ON origin.queue_no = r.origin_queue_no
LEFT JOIN sync_queue AS applied ON applied.queue_no = r.applied_queue_no
LEFT JOIN {target} AS t ON t.id = r.local_id
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.external_id = %(external_id)s
