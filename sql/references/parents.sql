-- Name the parent of variations that came before or together with it.
-- Caller: entities.references.fill_references, at the end of any entity's upsert.
-- Index: product_unresolved_idx (partial: only variations without a parent), product_source_key_idx, sync_record_local_idx,
--   sync_record_retired_idx.
-- Why FOR UPDATE in the order of keys: batches of products lock the same rows in that order.
WITH arrived AS MATERIALIZED (
    SELECT p.id, parent.id AS parent_id
    FROM product AS p
    JOIN product AS parent
        ON parent.org_id = p.org_id AND parent.source_key = p.source || ':' || p.parent_external_id
    WHERE p.source = (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s)
      AND p.parent_id IS NULL AND p.parent_external_id IS NOT NULL
    ORDER BY p.id
    FOR NO KEY UPDATE OF p
),
-- The record is taken to have what was found for it: else it would pass for an edit here.
noted AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('parent_id', arrived.parent_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'products' AND r.base IS NOT NULL
),
-- One index has those that live, another those that are retired and may return.
noted_retired AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('parent_id', arrived.parent_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NOT NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'products' AND r.base IS NOT NULL
)
UPDATE product AS p
SET parent_id = arrived.parent_id
FROM arrived
WHERE p.id = arrived.id
