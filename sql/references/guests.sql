-- Name the customer of guests' orders that came before it did, where the connection includes guests.
-- Caller: entities.references.fill_references, at the end of any entity's upsert.
-- Index: sales_order_unresolved_guest_idx (partial: only guests' orders without a customer),
--   customer_org_email_idx, sync_record_local_idx,
--   sync_record_retired_idx. As in the orders' projection.
-- Why FOR UPDATE in the order of keys: batches of orders lock the same rows in that order.
WITH arrived AS MATERIALIZED (
    SELECT o.id, person.id AS customer_id
    FROM (
        SELECT name FROM sync_connection
        WHERE connection_id = %(connection_id)s AND options ->> 'include_guests' = 'true'
    ) AS connection
    CROSS JOIN LATERAL (
        SELECT w.id, w.org_id, w.billing_email FROM sales_order AS w
        WHERE w.source = connection.name AND w.customer_id IS NULL
          AND w.customer_external_id IS NULL AND w.billing_email IS NOT NULL
        OFFSET 0
    ) AS waiting
    CROSS JOIN LATERAL (
        SELECT c.id FROM customer AS c
        WHERE c.org_id = waiting.org_id AND c.email_normalized = lower(waiting.billing_email)
          AND EXISTS (
              SELECT FROM (
                  SELECT r.connection_id, r.entity FROM sync_record AS r
                  WHERE r.local_id = c.id AND r.tombstoned_at IS NULL
                  OFFSET 0
              ) AS known
              WHERE known.connection_id = %(connection_id)s AND known.entity = 'customers')
        LIMIT 1
    ) AS person
    JOIN sales_order AS o ON o.id = waiting.id
    ORDER BY o.id
    FOR NO KEY UPDATE OF o
),
-- The record is taken to have what was found for it: else it would pass for an edit here.
noted AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('customer_id', arrived.customer_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'orders' AND r.base IS NOT NULL
),
-- One index has those that live, another those that are retired and may return.
noted_retired AS (
    UPDATE sync_record AS r
    SET base = r.base || jsonb_build_object('customer_id', arrived.customer_id)
    FROM arrived
    WHERE r.local_id = arrived.id AND r.tombstoned_at IS NOT NULL
      AND r.connection_id = %(connection_id)s AND r.entity = 'orders' AND r.base IS NOT NULL
)
UPDATE sales_order AS o
SET customer_id = arrived.customer_id
FROM arrived
WHERE o.id = arrived.id
