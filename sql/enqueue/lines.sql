-- Make a line for every landed record whose content is not what was last applied.
-- Caller: stages.enqueue, once per queue, in the transaction that moves it to the next stage.
-- Composed per entity: its enrichment.
-- Index: sync_page_pkey (the queue's pages), sync_record_pkey; both are read whole, by hash join.
-- Why the hash is salted: a changed mapping or rule must bring every record back.
-- Why ON CONFLICT: overlapping pages hold a record twice; the first one makes the line.
WITH extra AS MATERIALIZED (
{enrichment}
),
swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
)
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, row_number() OVER (), %(org_id)s::sync_org_id, changed.*
FROM (
    SELECT record.external_id, hashed.content_hash, record.payload
    FROM (
        SELECT
            coalesce(item ->> 'id', 'offset:' || (p.first_offset + ordinality - 1)) AS external_id,
            CASE WHEN extra.extra IS NULL THEN item ELSE item || extra.extra END AS payload
        FROM sync_page AS p
        CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
        LEFT JOIN extra ON extra.external_id = item ->> 'id'
        WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
    ) AS record
    CROSS JOIN LATERAL (
        SELECT md5(%(salt)s || (record.payload - %(volatile_fields)s::text[])::text)::uuid
            AS content_hash
    ) AS hashed
    LEFT JOIN sync_record AS known
        ON known.connection_id = %(connection_id)s AND known.entity = %(entity)s
        AND known.external_id = record.external_id
    WHERE (known.content_hash IS DISTINCT FROM hashed.content_hash
           OR known.tombstoned_at IS NOT NULL)
      AND (NOT %(is_swept)s OR record.external_id IN (SELECT external_id FROM swept))
) AS changed
ON CONFLICT (queue_no, external_id) DO NOTHING
