-- What counts of what landed for a queue, with its content as it would be applied and the hash of it:
--   (line_no, external_id, payload, content_hash). A listing that moved may hold a record twice.
-- Used by: enqueue/lines.sql, proof/sides.sql. Composed per entity: its enrichment.
-- Index: sync_page_pkey (the queue's pages).
-- Why OFFSET 0: the payload is made once, not once for the line and once for its hash; and not laterally,
--   for that is a loop over all records, before which the planner puts a cache that never hits.
-- Why the hash is salted: a changed mapping or rule must bring every record back.
-- A slice of the whole listing lands beside the changes.
-- Children land in listings of their own, named by a prefix and their parent's id; a child whose
--   parent was gone at the sweep is gone as well. Guests are in no listing, so in no sweep.
WITH extra AS MATERIALIZED (
{enrichment}
),
swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
)
SELECT enriched.line_no, enriched.external_id, enriched.payload,
    md5(%(salt)s || enriched.payload::text)::uuid AS content_hash
FROM (
    SELECT record.line_no, record.external_id,
        CASE WHEN extra.extra IS NULL THEN record.item ELSE record.item || extra.extra END
            AS payload
    FROM (
        SELECT
            item,
            -- A record's number is its place in the listing, so that shares need not agree on numbers;
            -- records that were fetched by id have no place and come last.
            (CASE WHEN p.first_offset < 0 THEN 2000000000 - 1000000 * p.first_offset
                  ELSE p.first_offset END + ordinality)::integer AS line_no,
            coalesce(item ->> 'id', 'offset:' || (p.first_offset + ordinality - 1)) AS external_id,
            CASE WHEN p.listing = %(listing)s THEN item ->> 'id'
                 ELSE substr(p.listing, length(%(prefix)s::text) + 1) END AS listed_id,
            coalesce(p.listing = %(guests)s::text, false) AS is_guest
        FROM sync_page AS p
        CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
        WHERE p.queue_no = %(queue_no)s
          AND (p.listing = %(listing)s OR p.listing = %(guests)s OR p.listing = %(rescan)s::text
               OR starts_with(p.listing, %(prefix)s))
          AND p.first_offset >= %(from_offset)s AND p.first_offset < %(to_offset)s
        OFFSET 0
    ) AS record
    LEFT JOIN extra ON extra.external_id = record.external_id
    WHERE NOT %(is_swept)s OR record.is_guest
       OR record.listed_id IN (SELECT external_id FROM swept)
    OFFSET 0
) AS enriched
