-- What PostgreSQL can do at all: one INSERT … SELECT of orders, and of their lines from what it wrote.
-- Composed: where payloads come from, and the projection of the entity. No queue, identity, hash,
--   audit, retry or fence, no upsert; keys are made as ours are, as they come for free with line_no.
-- Lines are made and products are found as the trigger on sales_order does.
WITH line AS (
{lines}
),
projected AS (
{projection}
),
written AS (
    INSERT INTO bench_order (id, org_id, {columns})
    SELECT (%(id_prefix)s::text || lpad(to_hex(line_no), 8, '0'))::uuid,
        %(org_id)s::sync_org_id, {columns}
    FROM projected
    WHERE error_code IS NULL
    RETURNING id, org_id, source, items
)
INSERT INTO bench_order_line (
    order_id, line_no, org_id, kind, external_id, name, sku, product_external_id, product_id,
    variation_external_id, variation_id, quantity, price, subtotal, total, tax)
SELECT
    o.id, i.line_no, o.org_id, coalesce(i.kind, ''), i.id, i.name, i.sku, i.product,
    CASE WHEN i.product IS NOT NULL THEN (
        SELECT p.id FROM product AS p
        WHERE p.org_id = o.org_id AND p.source_key = o.source || ':' || i.product LIMIT 1) END,
    i.variation,
    CASE WHEN i.variation IS NOT NULL THEN (
        SELECT p.id FROM product AS p
        WHERE p.org_id = o.org_id AND p.source_key = o.source || ':' || i.variation LIMIT 1) END,
    i.quantity, i.price, i.subtotal, i.total, i.tax
FROM written AS o
CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(o.items) AS (
    kind text, id text, name text, sku text, product text, variation text, quantity numeric,
    price numeric, subtotal numeric, total numeric, tax numeric)) WITH ORDINALITY AS i (
    kind, id, name, sku, product, variation, quantity, price, subtotal, total, tax, line_no)
