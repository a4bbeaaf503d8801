-- Keep as what the store has records that its listing did not show; their absences are explained.
-- Caller: stages.confirming, when every absent record was asked for. Index: sync_page_pkey,
--   sync_record_pkey.
WITH answer AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id, item ->> 'as' AS elsewhere_as
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
      AND item ->> 'answer' = 'elsewhere'
)
UPDATE sync_record AS r
SET absence_count = 0, elsewhere_as = answer.elsewhere_as
FROM answer
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.external_id = answer.external_id AND r.absent_queue_no = %(queue_no)s
