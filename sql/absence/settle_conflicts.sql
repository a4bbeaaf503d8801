-- Settle what was asked about deletions of records that the store has again, listed or elsewhere.
-- Caller: stages.absences, stages.absent_guests, once a trusted reading has counted who is absent.
-- Index: sync_conflict_open_idx, sync_record_pkey.
-- Why: such a record may be as it was last applied, and then no line of it settles anything.
-- What an undo asks is about our row, whatever the store has.
UPDATE sync_conflict AS c
SET state = 'resolved', resolved_at = now(), resolved_by = 'sync', updated_at = now(),
    resolution = 'the store has the record again'
WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
  AND c.conflict_type = 'DataMismatch' AND c.details ->> 'action' = 'delete'
  AND c.details #>> '{change,tombstone}' IS DISTINCT FROM 'reverted'
  AND EXISTS (
      SELECT FROM sync_record AS r
      WHERE r.connection_id = c.connection_id AND r.entity = c.entity
        AND r.external_id = c.external_id AND r.tombstoned_at IS NULL AND r.absence_count = 0)
