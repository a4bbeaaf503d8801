-- Land what is derived from our own tables as if a store had answered it: all of it, in pages.
-- Caller: stages.derive. Composed per entity: its derivation.
-- Index: that of the derivation.
-- Why one statement: pages by key would compute the whole derivation again for each, and rows that
--   change between two of them would slip by. It needs no memory of ours, and of the server no more
--   than it is allowed before it goes to disk.
WITH derived AS MATERIALIZED (
    SELECT external_id, record, changed_at FROM (
{derivation}
    ) AS source
    WHERE %(external_id)s::text IS NULL OR external_id = %(external_id)s
    LIMIT %(most)s
),
landed AS (
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total,
        body, elapsed_ms)
    SELECT %(queue_no)s, %(listing)s, min(place), %(page_records)s, %(org_id)s::sync_org_id,
        count(*), max(total), jsonb_agg(record ORDER BY place), 0
    FROM (
        SELECT record, row_number() OVER (ORDER BY external_id) - 1 AS place,
            count(*) OVER () AS total
        FROM derived
    ) AS numbered
    GROUP BY place / %(page_records)s
    UNION ALL
    -- A page of no records is a page: without any, they would pass for purged.
    SELECT %(queue_no)s, %(listing)s, 0, %(page_records)s, %(org_id)s::sync_org_id, 0, 0, '[]', 0
    WHERE NOT EXISTS (SELECT FROM derived)
)
SELECT count(*) AS n_records, max(changed_at) AS newest_utc FROM derived
