-- How many records the listing must hold, if none was trashed or deleted: those of last time and
-- the new ones among the changes.
-- Caller: stages.deltas. Index: sync_watermark_pkey, sync_page_pkey, sync_record_pkey,
--   sync_conflict_open_idx.
-- What has an id above all that were counted is new, though a window or a sync of one record brought
-- it meanwhile. What came in with an older id (from the trash) is new when we do not know it.
-- What an undo took back is known as well.
-- A record that failed is no record of ours, but it is known: its conflict is open.
SELECT w.total + (
    SELECT count(DISTINCT item ->> 'id')
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
      AND (coalesce(CASE WHEN item ->> 'id' ~ '^[0-9]{1,18}$'
                         THEN (item ->> 'id')::bigint > w.highest_id END, false)
           OR NOT EXISTS (
               SELECT FROM sync_record AS r
               WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
                 AND r.external_id = item ->> 'id'
                 AND (r.tombstoned_at IS NULL OR r.tombstone_reason = 'reverted'))
           AND NOT EXISTS (
               SELECT FROM sync_conflict AS c
               WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
                 AND c.external_id = item ->> 'id' AND c.state = 'open'))) AS n_expected
FROM sync_watermark AS w
WHERE w.connection_id = %(connection_id)s AND w.listing = %(known_as)s
