-- Name the product and the variation of lines of orders that came before they did.
-- Caller: entities.references.fill_references, at the end of any entity's upsert.
-- Index: sales_order_line_unresolved_idx (partial: only lines that name what they do not have),
--   sales_order_pkey, product_source_key_idx.
-- A product that was deleted in the store stays unknown, and its lines are looked at every time.
WITH arrived AS MATERIALIZED (
    SELECT l.order_id, l.line_no, p.id AS product_id, v.id AS variation_id
    FROM sales_order_line AS l
    JOIN sales_order AS o
        ON o.id = l.order_id
        AND o.source = (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s)
    LEFT JOIN product AS p
        ON p.org_id = l.org_id AND p.source_key = o.source || ':' || l.product_external_id
    LEFT JOIN product AS v
        ON v.org_id = l.org_id AND v.source_key = o.source || ':' || l.variation_external_id
    WHERE (l.product_id IS NULL AND l.product_external_id IS NOT NULL
           OR l.variation_id IS NULL AND l.variation_external_id IS NOT NULL)
      AND (l.product_id IS NULL AND p.id IS NOT NULL OR l.variation_id IS NULL AND v.id IS NOT NULL)
    ORDER BY l.order_id, l.line_no
    FOR NO KEY UPDATE OF l
)
UPDATE sales_order_line AS l
SET product_id = coalesce(l.product_id, arrived.product_id),
    variation_id = coalesce(l.variation_id, arrived.variation_id)
FROM arrived
WHERE l.order_id = arrived.order_id AND l.line_no = arrived.line_no
