-- Settle what was disputed about records that a whole, proven reading did not see: they are gone.
-- Caller: stages.reconcile, after compare.sql. Index: sync_conflict_open_idx, sync_record_pkey, sync_page_pkey.
-- Why: a record that failed is known by its conflict alone; a replay would make a row of what the store
--   does not have any more.
-- Only what stood open when this queue was opened: a sync beside it may have read later.
-- Guests are in no listing. What an undo or a deletion disputes is about our row, there or not.
UPDATE sync_conflict AS c
SET state = 'resolved', resolved_at = now(), resolved_by = 'sync',
    resolution = 'the store does not have the record any more', updated_at = now()
FROM sync_queue AS q
WHERE q.queue_no = %(queue_no)s
  AND c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
  AND c.updated_at < q.created_at AND NOT c.details ? 'action'
  -- Of one that was applied and is not retired, absences tell (absence/).
  AND NOT EXISTS (
      SELECT FROM sync_record AS r
      WHERE r.connection_id = c.connection_id AND r.entity = c.entity
        AND r.external_id = c.external_id AND r.tombstoned_at IS NULL)
  AND NOT coalesce(starts_with(c.external_id, %(guest_prefix)s::text), false)
  AND NOT EXISTS (
      SELECT FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
      WHERE p.queue_no = %(queue_no)s AND item ->> 'id' = c.external_id
        AND (p.listing = %(listing)s OR starts_with(p.listing, %(prefix)s)))
