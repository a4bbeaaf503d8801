-- What a derived stock record means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line, whose payload derivations/woocommerce/inventory.sql made; %(connection_id)s,
--   %(org_id)s.
-- Index: product_source_key_idx, sync_connection_pkey (once a statement).
-- Measured: 2 us of CPU a row.
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.wrong_type' THEN 'not a way to manage stock: '
            || coalesce(left(line.payload ->> 'manage_stock', 50), 'none')
        WHEN 'validation.number_invalid' THEN 'the stock is no number: '
            || coalesce(left(line.payload ->> 'stock_quantity', 50), '')
        WHEN 'validation.too_long' THEN 'longer than allowed: 200 characters'
        WHEN 'reference.product_missing' THEN 'its product is not here'
        ELSE line.payload -> '_invalid' ->> 'reason'
    END AS error_message,
    connection.name || ':' || line.external_id AS match_key,
    connection.name AS source,
    raw.product_id, raw.management, raw.quantity, raw.stock_status, raw.backorders
FROM line
CROSS JOIN (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s) AS connection
CROSS JOIN LATERAL (
    SELECT
        (
            SELECT product.id FROM product
            WHERE product.org_id = %(org_id)s::sync_org_id
              AND product.source_key = connection.name || ':' || line.external_id
            LIMIT 1
        ) AS product_id,
        CASE line.payload ->> 'manage_stock'
            WHEN 'true' THEN 'managed' WHEN 'parent' THEN 'parent' WHEN 'false' THEN 'unmanaged'
        END AS management,
        sync_money(line.payload ->> 'stock_quantity') AS quantity,
        line.payload ->> 'stock_status' AS stock_status,
        line.payload ->> 'backorders' AS backorders
    OFFSET 0
) AS raw
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN line.payload ? '_invalid' THEN line.payload -> '_invalid' ->> 'code'
        WHEN raw.management IS NULL THEN 'validation.wrong_type'
        WHEN (raw.quantity IS NULL) <> (line.payload ->> 'stock_quantity' IS NULL)
            THEN 'validation.number_invalid'
        WHEN length(raw.stock_status) > 200 OR length(raw.backorders) > 200
            THEN 'validation.too_long'
        WHEN raw.product_id IS NULL THEN 'reference.product_missing'
    END AS code
    OFFSET 0
) AS problem
