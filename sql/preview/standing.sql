-- Open previews of a connection and entity, newest first, and which of them nobody goes on with.
-- Caller: queue.previews. Index: sync_queue_unfinished_idx.
SELECT id, filters, is_full,
    created_at <= now() - make_interval(mins => %(young_minutes)s)
        AND coalesce(stage_lease_until <= now(), true) AS is_abandoned
FROM sync_queue
WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND stage <> 'finished'
  AND filters ? 'preview'
ORDER BY created_at DESC
