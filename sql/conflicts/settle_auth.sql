-- The store let us in again. Caller: queue.conflicts.keys, when an extract ended well.
-- Index: sync_conflict_open_idx.
UPDATE sync_conflict
SET state = 'resolved', resolved_at = now(), resolved_by = 'sync',
    resolution = 'the store takes the keys again', updated_at = now()
WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND external_id = '*'
  AND conflict_type = 'AuthError' AND state = 'open'
