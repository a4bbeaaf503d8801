-- Which entities of a connection were ever synced, and when their last sync ended.
-- Caller: reports.gathering. Index: sync_record_pkey (is there one), sync_queue_latest_idx.
-- Why records as well as queues: queues are purged, and what they applied stays.
SELECT entity.name AS entity, ended.finished_at AS synced_at,
    ended.finished_at IS NOT NULL OR EXISTS (
        SELECT FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = entity.name
    ) AS is_synced
FROM unnest(%(entities)s::text[]) AS entity (name)
LEFT JOIN LATERAL (
    SELECT q.finished_at FROM sync_queue AS q
    WHERE q.connection_id = %(connection_id)s AND q.entity = entity.name
      AND q.stage = 'finished' AND q.cancelled_at IS NULL AND NOT q.is_beside
    ORDER BY q.created_at DESC LIMIT 1
) AS ended ON true
