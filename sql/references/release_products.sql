-- Have lines of orders name no product or variation whose row a queue removed.
-- Caller: as release_customers.sql. Index: sync_activity_queue_idx of one range; sales_order_line is
--   read whole, once a queue that removed rows.
WITH removed AS MATERIALIZED (
    SELECT (a.before ->> 'id')::uuid AS id FROM sync_activity AS a
    WHERE a.queue_no = %(queue_no)s AND a.activity_type = 'record_deleted'
      AND a.after IS NULL AND a.before IS NOT NULL
      AND NOT EXISTS (SELECT FROM product AS p WHERE p.id = (a.before ->> 'id')::uuid)
),
named AS MATERIALIZED (
    SELECT l.order_id, l.line_no, l.product_id IN (SELECT id FROM removed) AS is_product,
        l.variation_id IN (SELECT id FROM removed) AS is_variation
    FROM sales_order_line AS l
    WHERE l.product_id IN (SELECT id FROM removed) OR l.variation_id IN (SELECT id FROM removed)
    ORDER BY l.order_id, l.line_no
    FOR NO KEY UPDATE OF l
)
UPDATE sales_order_line AS l
SET product_id = CASE WHEN named.is_product THEN NULL ELSE l.product_id END,
    variation_id = CASE WHEN named.is_variation THEN NULL ELSE l.variation_id END
FROM named WHERE l.order_id = named.order_id AND l.line_no = named.line_no
