-- Make a line for every landed record whose content is not what was last applied.
-- Caller: stages.enqueue, once per share of the pages: shares are made at once, each commits alone,
--   and the queue moves on when all of them have.
-- Composed per entity: its enrichment.
-- Index: sync_page_pkey (the queue's pages), sync_record_pkey; both are read whole, by hash join.
-- Why OFFSET 0: the payload and its hash are computed once, not once in the filter and once more.
-- Why the hash is salted: a changed mapping or rule must bring every record back.
-- Why ON CONFLICT: a listing that moves while it is read holds a record twice, and a share that was
--   made before a crash is made again.
-- A slice of the whole listing lands beside the changes; a record of both is taken once.
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
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, record.line_no, %(org_id)s::sync_org_id, record.external_id,
    hashed.content_hash, enriched.payload
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
CROSS JOIN LATERAL (
    SELECT CASE WHEN extra.extra IS NULL THEN record.item ELSE record.item || extra.extra END
        AS payload
    OFFSET 0
) AS enriched
CROSS JOIN LATERAL (
    SELECT md5(%(salt)s || enriched.payload::text)::uuid AS content_hash OFFSET 0
) AS hashed
LEFT JOIN sync_record AS known
    ON known.connection_id = %(connection_id)s AND known.entity = %(entity)s
    AND known.external_id = record.external_id
WHERE (known.content_hash IS DISTINCT FROM hashed.content_hash OR known.tombstoned_at IS NOT NULL)
  AND (NOT %(is_swept)s OR record.is_guest
       OR record.listed_id IN (SELECT external_id FROM swept))
ON CONFLICT DO NOTHING
