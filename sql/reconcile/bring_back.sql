-- Forget the content of records whose row here is gone, so that the next sync makes it again.
-- Caller: stages.reconcile, only when compare.sql found such rows. Index: sync_record_pkey.
UPDATE sync_record AS r
SET content_hash = '00000000-0000-0000-0000-000000000000'
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s AND r.tombstoned_at IS NULL
  AND NOT EXISTS (SELECT FROM {target} AS t WHERE t.id = r.local_id)
