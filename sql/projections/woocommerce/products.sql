-- What a WooCommerce product or variation means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line (line_no, external_id, content_hash, error_count, payload), %(connection_id)s,
--   %(org_id)s.
-- Index: product_source_key_idx (a variation's parent), sync_connection_pkey (once a statement).
-- Limits: a name has at most 500 characters, an address 2,000, other texts 200.
-- Why names are decoded: categories and terms of attributes come encoded for HTML (recorded: "Hats
--   &amp; Caps"), a product's own name only where a user without unfiltered_html typed it; a name
--   that is not encoded stays as it is ("Book & Pen #5").
-- Why a price may be missing: "" is what the store writes for none.
-- Measured: 18 us of CPU a row.
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.wrong_type' THEN 'a text, list or yes-or-no of the product is something else'
        WHEN 'validation.money_invalid' THEN 'a price is no number: '
            || concat_ws(', ', left(o.payload ->> 'price', 50),
                left(o.payload ->> 'regular_price', 50), left(o.payload ->> 'sale_price', 50))
        WHEN 'validation.number_invalid' THEN 'the stock is no number: '
            || coalesce(left(o.payload ->> 'stock_quantity', 50), '')
        WHEN 'validation.date_invalid' THEN 'not a date: '
            || concat_ws(', ', left(raw.created, 50), left(raw.modified, 50))
        WHEN 'validation.too_long' THEN 'longer than allowed: name 500 characters, address 2000, '
            || 'other texts 200'
        ELSE o.payload -> '_invalid' ->> 'reason'
    END AS error_message,
    connection.name || ':' || line.external_id AS match_key,
    connection.name AS source,
    raw.parent_external_id,
    CASE WHEN raw.parent_external_id IS NOT NULL THEN (
        SELECT parent.id FROM product AS parent
        WHERE parent.org_id = %(org_id)s::sync_org_id
          AND parent.source_key = connection.name || ':' || raw.parent_external_id
        LIMIT 1
    ) END AS parent_id,
    coalesce(raw.type, CASE WHEN raw.parent_external_id IS NULL THEN 'simple' ELSE 'variation' END)
        AS type,
    coalesce(raw.status, 'publish') AS status,
    coalesce(raw.name, raw.sku, line.external_id) AS name,
    raw.sku, raw.price, raw.regular_price, raw.sale_price,
    CASE WHEN position('&' IN raw.categories::text) > 0 THEN (
        SELECT jsonb_agg(CASE WHEN jsonb_typeof(each.item -> 'name') = 'string'
            THEN each.item || jsonb_build_object('name', sync_html_decode(each.item ->> 'name'))
            ELSE each.item END)
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.categories) = 'array'
                                       THEN raw.categories END) AS each (item)
    ) ELSE raw.categories END AS categories,
    CASE WHEN position('&' IN raw.attributes::text) > 0 THEN (
        SELECT jsonb_agg(
            CASE WHEN jsonb_typeof(each.item) = 'object' THEN each.item || jsonb_strip_nulls(
                jsonb_build_object(
                    'name', CASE WHEN jsonb_typeof(each.item -> 'name') = 'string'
                        THEN sync_html_decode(each.item ->> 'name') END,
                    'option', CASE WHEN jsonb_typeof(each.item -> 'option') = 'string'
                        THEN sync_html_decode(each.item ->> 'option') END,
                    'options', CASE WHEN jsonb_typeof(each.item -> 'options') = 'array' THEN (
                        SELECT coalesce(jsonb_agg(CASE WHEN jsonb_typeof(choice.item) = 'string'
                            THEN to_jsonb(sync_html_decode(choice.item #>> '{}'))
                            ELSE choice.item END), '[]')
                        FROM jsonb_array_elements(each.item -> 'options') AS choice (item)) END))
            ELSE each.item END)
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.attributes) = 'array'
                                       THEN raw.attributes END) AS each (item)
    ) ELSE raw.attributes END AS attributes,
    raw.manage_stock, raw.stock_quantity, raw.stock_status, raw.backorders, raw.permalink,
    dates.source_created_at, dates.source_modified_at
FROM line
CROSS JOIN (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s) AS connection
CROSS JOIN LATERAL (SELECT line.payload || '{}' AS payload OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT
        nullif(nullif(o.payload ->> 'parent_id', '0'), '') AS parent_external_id,
        nullif(o.payload ->> 'type', '') AS type,
        nullif(o.payload ->> 'status', '') AS status,
        nullif(btrim(CASE WHEN position('&' IN o.payload ->> 'name') > 0
            THEN sync_html_decode(o.payload ->> 'name') ELSE o.payload ->> 'name' END), '') AS name,
        nullif(btrim(o.payload ->> 'sku'), '') AS sku,
        sync_money(o.payload ->> 'price') AS price,
        sync_money(o.payload ->> 'regular_price') AS regular_price,
        sync_money(o.payload ->> 'sale_price') AS sale_price,
        coalesce(nullif(o.payload -> 'categories', 'null'), '[]') AS categories,
        coalesce(nullif(o.payload -> 'attributes', 'null'), '[]') AS attributes,
        coalesce(o.payload ->> 'manage_stock', 'false') AS manage_stock,
        sync_money(o.payload ->> 'stock_quantity') AS stock_quantity,
        nullif(o.payload ->> 'stock_status', '') AS stock_status,
        nullif(o.payload ->> 'backorders', '') AS backorders,
        nullif(o.payload ->> 'permalink', '') AS permalink,
        nullif(o.payload ->> 'date_created_gmt', '') AS created,
        nullif(o.payload ->> 'date_modified_gmt', '') AS modified
    OFFSET 0
) AS raw
CROSS JOIN LATERAL (
    SELECT sync_utc(raw.created) AS source_created_at, sync_utc(raw.modified) AS source_modified_at
    OFFSET 0
) AS dates
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN o.payload ? '_invalid' THEN o.payload -> '_invalid' ->> 'code'
        WHEN coalesce(jsonb_typeof(o.payload -> 'name'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'sku'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'type'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'status'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'stock_status'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'backorders'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'permalink'), 'null') NOT IN ('string', 'null')
            OR raw.manage_stock NOT IN ('true', 'false', 'parent')
            OR translate(raw.parent_external_id, '0123456789', '') <> ''
            OR jsonb_typeof(raw.categories) <> 'array' OR jsonb_typeof(raw.attributes) <> 'array'
            THEN 'validation.wrong_type'
        WHEN (raw.price IS NULL) <> (nullif(o.payload ->> 'price', '') IS NULL)
            OR (raw.regular_price IS NULL) <> (nullif(o.payload ->> 'regular_price', '') IS NULL)
            OR (raw.sale_price IS NULL) <> (nullif(o.payload ->> 'sale_price', '') IS NULL)
            THEN 'validation.money_invalid'
        WHEN (raw.stock_quantity IS NULL) <> (nullif(o.payload ->> 'stock_quantity', '') IS NULL)
            THEN 'validation.number_invalid'
        WHEN (dates.source_created_at IS NULL) <> (raw.created IS NULL)
            OR (dates.source_modified_at IS NULL) <> (raw.modified IS NULL)
            THEN 'validation.date_invalid'
        WHEN length(raw.name) > 500 OR length(raw.permalink) > 2000 OR length(raw.sku) > 200
            OR length(raw.type) > 200 OR length(raw.status) > 200
            OR length(raw.stock_status) > 200 OR length(raw.backorders) > 200
            OR length(raw.parent_external_id) > 200
            THEN 'validation.too_long'
    END AS code
    OFFSET 0
) AS problem
