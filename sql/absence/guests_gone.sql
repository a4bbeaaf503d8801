-- Land as gone the guests that two proven readings in a row made no record of: their orders are gone.
-- Caller: stages.absent_guests, in the transaction that lands guests. Index: sync_record_absent_idx.
-- Nobody is asked: guests are made of the orders that we hold.
INSERT INTO sync_page (
    queue_no, listing, first_offset, record_limit, org_id, n_records, total, body, elapsed_ms)
SELECT %(queue_no)s, %(answers_listing)s, 0, count(*)::integer, %(org_id)s::sync_org_id,
    count(*), NULL,
    jsonb_agg(jsonb_build_object('id', r.external_id, 'answer', 'deleted', 'as', '')
              ORDER BY r.external_id), 0
FROM sync_record AS r
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.tombstoned_at IS NULL AND r.absence_count >= 2 AND r.absent_queue_no = %(queue_no)s
  AND starts_with(r.external_id, %(guest_prefix)s)
HAVING count(*) > 0
ON CONFLICT DO NOTHING
