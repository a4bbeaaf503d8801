-- Whether anything of an entity was ever synced. Caller: stages.verification.
-- Index: sync_queue_latest_idx.
SELECT EXISTS (
    SELECT FROM sync_queue
    WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND NOT is_beside
) AS is_known
