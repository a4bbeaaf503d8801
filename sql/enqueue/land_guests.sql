-- Land the guests of a connection behind the accounts that were read, as if the store had listed them.
-- Caller: stages.guests, once a queue, in the transaction that takes the figures over.
-- Composed per entity: its guests' derivation. Index: that of the derivation, sync_page_pkey.
-- Why once: a share of the lines may be made already, and a line's number is its record's place.
-- A page of no records is a page: it says that guests were looked at.
WITH derived AS MATERIALIZED (
{derivation}
),
beyond AS (
    SELECT coalesce(max(first_offset + record_limit), 0) AS place FROM sync_page
    WHERE queue_no = %(queue_no)s AND listing = %(own_listing)s AND first_offset >= 0
)
INSERT INTO sync_page (
    queue_no, listing, first_offset, record_limit, org_id, n_records, total, body, elapsed_ms)
SELECT %(queue_no)s, %(listing)s, (beyond.place + min(numbered.place))::integer, %(page_records)s,
    %(org_id)s::sync_org_id, count(*), max(numbered.total),
    jsonb_agg(numbered.record ORDER BY numbered.place), 0
FROM (
    SELECT record, row_number() OVER (ORDER BY external_id) - 1 AS place,
        count(*) OVER () AS total
    FROM derived
) AS numbered
CROSS JOIN beyond
GROUP BY beyond.place, numbered.place / %(page_records)s
UNION ALL
SELECT %(queue_no)s, %(listing)s, 0, %(page_records)s, %(org_id)s::sync_org_id, 0, 0, '[]', 0
WHERE NOT EXISTS (SELECT FROM derived)
