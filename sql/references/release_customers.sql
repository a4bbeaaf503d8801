-- Have orders name no customer whose row a queue removed: they are unresolved, as before it came.
-- Caller: entities.references.release_references, at the end of a queue that removed rows.
-- Index: sync_activity_queue_idx of one range, sales_order_customer_idx, customer_pkey.
-- Why FOR UPDATE in the order of keys: batches of orders lock the same rows in that order.
WITH removed AS MATERIALIZED (
    SELECT (a.before ->> 'id')::uuid AS id FROM sync_activity AS a
    WHERE a.queue_no = %(queue_no)s AND a.activity_type = 'record_deleted'
      AND a.after IS NULL AND a.before IS NOT NULL
),
named AS MATERIALIZED (
    SELECT o.id FROM sales_order AS o
    WHERE o.customer_id IN (SELECT id FROM removed)
      AND NOT EXISTS (SELECT FROM customer AS c WHERE c.id = o.customer_id)
    ORDER BY o.id
    FOR NO KEY UPDATE OF o
)
UPDATE sales_order AS o SET customer_id = NULL
FROM named WHERE o.id = named.id
