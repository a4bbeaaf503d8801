-- Name the customer of orders that came before their customer did.
-- Caller: entities.references.fill_references, at the end of any entity's upsert.
-- Index: sales_order_unresolved_idx (partial: only orders that name a customer and have none),
--   sync_record_pkey, customer_pkey, sync_record_local_idx,
--   sync_record_retired_idx.
-- Why FOR UPDATE in the order of keys: batches of orders lock the same rows in that order.
WITH arrived AS MATERIALIZED (
    SELECT o.id, known.local_id
    FROM sales_order AS o
    JOIN sync_record AS known
        ON known.connection_id = %(connection_id)s AND known.entity = 'customers'
        AND known.external_id = o.customer_external_id
        -- Of one that was removed the record is still known.
        AND EXISTS (SELECT FROM customer AS c WHERE c.id = known.local_id)
    WHERE o.source = (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s)
      AND o.customer_id IS NULL AND o.customer_external_id IS NOT NULL
    ORDER BY o.id
    FOR NO KEY UPDATE OF o
),
-- The record is taken to have what was found for it: else it would pass for an edit here.
noted AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('customer_id', arrived.local_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'orders' AND r.base IS NOT NULL
),
-- One index has those that live, another those that are retired and may return.
noted_retired AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('customer_id', arrived.local_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NOT NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'orders' AND r.base IS NOT NULL
)
UPDATE sales_order AS o
SET customer_id = arrived.local_id
FROM arrived
WHERE o.id = arrived.id
