-- Retire the records of which a preview showed that another one takes over their row.
-- Caller: stages.applying, before any line is applied, as the sync does it at enqueue
--   (guests_settle.sql). Index: sync_line_pkey, the preview's lines below 0; sync_record_pkey.
UPDATE sync_record AS r
SET tombstoned_at = now(), tombstone_reason = NULL
FROM sync_line AS l
WHERE l.queue_no = %(preview_no)s AND l.line_no < 0
  AND r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.external_id = l.external_id AND r.tombstoned_at IS NULL
