-- Forget former absences of records that this trusted reading showed.
-- Caller: stages.absences, after count.sql. Index: sync_record_absent_idx,
--   sync_record_elsewhere_idx, sync_page_pkey.
-- Guests are in no listing: of them only what landed of guests tells.
UPDATE sync_record AS r
SET absence_count = 0, absent_queue_no = NULL, elsewhere_as = NULL
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND (r.absence_count > 0 OR r.elsewhere_as IS NOT NULL)
  AND r.absent_queue_no IS DISTINCT FROM %(queue_no)s
  AND coalesce(starts_with(r.external_id, %(guest_prefix)s), false) = %(of_guests)s
