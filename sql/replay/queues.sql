-- Earlier syncs of the same connection and entity, newest first: what they read may still be kept.
-- Caller: stages.replay. Index: sync_queue_latest_idx.
SELECT queue_no FROM sync_queue
WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND queue_no < %(queue_no)s
  -- Those read nothing: their lines are instructions, not records.
  AND NOT filters ?| ARRAY['reverts', 'resolves']
ORDER BY queue_no DESC
