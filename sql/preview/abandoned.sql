-- Open previews of all organizations that nobody goes on with.
-- Caller: queue.previews, as sync_control, before history is dropped. Index: sync_queue_unfinished_idx.
SELECT id FROM sync_queue
WHERE stage <> 'finished' AND filters ? 'preview'
  AND created_at <= now() - make_interval(mins => %(young_minutes)s)
  AND coalesce(stage_lease_until <= now(), true)
