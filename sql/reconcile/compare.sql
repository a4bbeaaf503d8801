-- Ids of both sides, held against each other as sets.
-- Caller: stages.reconcile, after the queue has finished.
-- Index: sync_page_pkey, sync_record_pkey (one range of it), sync_line_pkey.
-- A record that failed is on their side and not on ours: it is missing, and the reason is known.
WITH theirs AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s AND item ->> 'id' IS NOT NULL
),
ours AS MATERIALIZED (
    SELECT r.external_id, t.id IS NULL AS is_lost
    FROM sync_record AS r LEFT JOIN {target} AS t ON t.id = r.local_id
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NULL
),
missing AS MATERIALIZED (
    SELECT external_id FROM theirs
    EXCEPT SELECT external_id FROM ours WHERE NOT is_lost
),
extra AS MATERIALIZED (
    SELECT external_id FROM ours EXCEPT SELECT external_id FROM theirs
)
SELECT
    -- A page of no records is a page: without any, they are purged and there is nothing to compare.
    EXISTS (SELECT FROM sync_page AS p
            WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s) AS has_pages,
    (SELECT count(*) FROM theirs) AS n_theirs,
    (SELECT count(*) FROM ours) AS n_ours,
    (SELECT count(*) FROM ours WHERE is_lost) AS n_lost,
    (SELECT count(*) FROM missing) AS n_missing,
    (SELECT count(*) FROM extra) AS n_extra,
    (SELECT count(*) FROM missing JOIN sync_line AS l
        ON l.queue_no = %(queue_no)s AND l.external_id = missing.external_id
        AND l.state = 'failed') AS n_failed,
    (SELECT coalesce(array_agg(external_id), '{{}}') FROM
        (SELECT external_id FROM missing ORDER BY length(external_id), external_id LIMIT 20)
        AS first_ones) AS missing_ids,
    (SELECT coalesce(array_agg(external_id), '{{}}') FROM
        (SELECT external_id FROM extra ORDER BY length(external_id), external_id LIMIT 20)
        AS first_ones) AS extra_ids
