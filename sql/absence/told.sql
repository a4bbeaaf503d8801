-- What is known of the records that a queue's reading did not show.
-- Caller: stages.absences. Index: sync_record_absent_idx, sync_record_elsewhere_idx, sync_page_pkey.
-- n_first: of a preview, which counts nothing, those whom its sync would count the first time.
-- n_elsewhere: they are there under another role or status, asked for now or before.
SELECT
    CASE WHEN %(is_preview)s THEN (
        SELECT count(*)
        FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
        JOIN sync_record AS r
            ON r.connection_id = %(connection_id)s AND r.entity = %(entity)s
            AND r.external_id = item ->> 'id'
        WHERE p.queue_no = %(queue_no)s AND p.listing = %(absent_listing)s
          AND r.absence_count = 0 AND r.elsewhere_as IS NULL
    ) ELSE (
        SELECT count(*) FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.tombstoned_at IS NULL AND r.absence_count = 1 AND r.elsewhere_as IS NULL
          AND r.absent_queue_no = %(queue_no)s
    ) END AS n_first,
    (SELECT count(*) FROM sync_record AS r
     WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
       AND r.tombstoned_at IS NULL AND r.elsewhere_as IS NOT NULL) AS n_elsewhere,
    count(*) FILTER (WHERE item ->> 'answer' = 'deleted') AS n_deleted,
    count(*) FILTER (WHERE item ->> 'answer' = 'trashed') AS n_trashed,
    count(*) FILTER (WHERE item ->> 'answer' = 'unanswered') AS n_unanswered
FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
