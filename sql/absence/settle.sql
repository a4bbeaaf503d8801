-- Keep as what the store has records that its listing did not show; their absences are explained.
-- Caller: stages.confirming, when every absent record was asked for. Index: sync_page_pkey,
--   sync_record_pkey. By key and place as in count.sql.
WITH answer AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id, item ->> 'as' AS elsewhere_as
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
      AND item ->> 'answer' = 'elsewhere'
)
UPDATE sync_record AS r
SET absence_count = 0, elsewhere_as = held.elsewhere_as
FROM (
    SELECT known.place, answer.elsewhere_as
    FROM (SELECT * FROM answer ORDER BY external_id) AS answer
    CROSS JOIN LATERAL (
        SELECT r.ctid AS place FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.external_id = answer.external_id AND r.absent_queue_no = %(queue_no)s
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS known
    OFFSET 0
) AS held
WHERE r.ctid = held.place
