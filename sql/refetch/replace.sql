-- Put what the store answered in the place of what we never had: the record, or why it is not served.
-- Caller: stages.refetch, once per chunk. Composed per entity: its enrichment.
-- Index: sync_line_external_idx.
-- Why the conditions: a worker may have failed the line meanwhile; then it stays as it is.
-- Salted and enriched as in enqueue/hashed.sql: the next sync must find the same hash.
WITH extra AS MATERIALIZED (
{enrichment}
),
answer AS MATERIALIZED (
    SELECT enriched.external_id, enriched.payload, enriched.payload -> '_invalid' AS fault,
        md5(%(salt)s || enriched.payload::text)::uuid AS content_hash
    FROM (
        SELECT item ->> 'id' AS external_id,
            CASE WHEN extra.extra IS NULL THEN item ELSE item || extra.extra END AS payload
        FROM jsonb_array_elements(%(records)s::jsonb) AS item
        LEFT JOIN extra ON extra.external_id = item ->> 'id'
        OFFSET 0
    ) AS enriched
)
UPDATE sync_line AS l
SET payload = answer.payload, content_hash = answer.content_hash,
    error_code = answer.fault ->> 'code', error_message = answer.fault ->> 'reason'
FROM answer
WHERE l.queue_no = %(queue_no)s AND l.external_id = answer.external_id
  AND l.state = 'draft' AND l.error_code IS NULL AND l.payload ? '_invalid'
