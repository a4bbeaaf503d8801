-- The next records that were absent twice in a row and were not asked for yet, in the order of ids.
-- Caller: stages.confirming, once per chunk. Index: sync_record_absent_idx,
--   sync_page_pkey.
-- A preview counts nothing: it asks about those whom its sync would count the second time.
-- after: the last id that was asked for; a stopped extract goes on behind it (last_asked.sql).
SELECT r.external_id
FROM sync_record AS r
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.tombstoned_at IS NULL
  AND CASE WHEN %(is_preview)s THEN r.absence_count >= 1 AND r.external_id IN (
               SELECT item ->> 'id'
               FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
               WHERE p.queue_no = %(queue_no)s AND p.listing = %(absent_listing)s)
           ELSE r.absence_count >= 2 AND r.absent_queue_no = %(queue_no)s END
  AND r.absence_count > 0
  AND (%(after)s::text IS NULL OR r.external_id > %(after)s)
ORDER BY r.external_id
LIMIT %(most)s
