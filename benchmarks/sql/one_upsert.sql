-- What PostgreSQL can do at all: one upsert of the landed records, with the same projection.
-- Composed: the projection of the entity. No queue, identity, hash, audit, retry or fence.
INSERT INTO bench_customer (org_id, {columns})
WITH line AS (
    SELECT
        (p.first_offset + ordinality)::integer AS line_no, item ->> 'id' AS external_id,
        NULL::uuid AS content_hash, 0 AS error_count, item AS payload
    FROM sync_page AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
),
projected AS (
{projection}
)
SELECT %(org_id)s::sync_org_id, {columns}
FROM projected
WHERE error_code IS NULL
ON CONFLICT (org_id, email_normalized) DO UPDATE
SET ({columns}) = ROW ({excluded_columns}), updated_at = now()
