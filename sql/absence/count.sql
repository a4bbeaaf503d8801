-- Count one absence more of each record that a trusted reading did not show, once a queue.
-- Caller: stages.absences. Index: sync_page_pkey, sync_record_pkey.
-- Why absent_queue_no: a stage that is done again counts nothing twice.
-- Why LATERAL, by key and then by place: joined, the planner may look at every absent id for each
--   record of a connection that was not analyzed yet (minutes for 10,000 of 1,000,000).
-- Why locked in the order of ids: batches of a window beside write the same records in it.
WITH absent AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(absent_listing)s
),
held AS MATERIALIZED (
    SELECT r.place
    FROM (SELECT external_id FROM absent ORDER BY external_id) AS absent
    CROSS JOIN LATERAL (
        SELECT r.ctid AS place FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.external_id = absent.external_id
          AND r.tombstoned_at IS NULL AND r.absent_queue_no IS DISTINCT FROM %(queue_no)s
        LIMIT 1
        FOR NO KEY UPDATE
    ) AS r
)
UPDATE sync_record AS r
SET absence_count = least(r.absence_count + 1, 100), absent_queue_no = %(queue_no)s
FROM held WHERE r.ctid = held.place
