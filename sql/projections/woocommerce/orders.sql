-- What a WooCommerce order means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line (line_no, external_id, content_hash, error_count, payload), %(connection_id)s.
-- Index: sync_record_pkey (the customer), sync_connection_pkey (once a statement); for guests, where the
--   connection includes them, customer_org_email_idx and sync_record_local_idx.
-- Limits: an e-mail has at most 254 characters (RFC 5321), names 500, other texts 200.
-- items: what the order consists of, in the store's order: line, shipping, fee, tax, coupon, refund.
--   total is after discounts and without tax. Lines, shipping and fees with their tax add up to the
--   order's total, taxes to its tax; coupons and refunds are what was taken off, below zero.
-- Why nothing is decoded: names in orders are as they were typed (recorded: "Book & Pen #55").
-- Why the payload is joined with an empty object: an order is kept compressed (3 KB), and each of
--   thirty look-ups would unpack it again (9 us each).
-- Measured: 48 us of CPU a row, 26 of them for the items (5 an order), 13 for the checks. One scan over
--   all six lists joined cost 20 us more than one scan each.
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.wrong_type' THEN 'a text, list or object of the order is something else'
        WHEN 'validation.field_missing' THEN 'the order has no status or no currency'
        WHEN 'validation.money_invalid' THEN 'an amount of the order or of its items is no number; '
            || 'its total is ' || coalesce(left(o.payload ->> 'total', 50), 'missing')
        WHEN 'validation.date_invalid' THEN 'a date of the order is not a date; it was created '
            || coalesce(left(raw.created, 50), 'never')
        WHEN 'validation.too_long' THEN 'longer than allowed: e-mail 254 characters, names 500, '
            || 'other texts 200'
        ELSE o.payload -> '_invalid' ->> 'reason'
    END AS error_message,
    connection.name || ':' || line.external_id AS match_key,
    connection.name AS source,
    raw.number, raw.status, raw.currency,
    raw.total, raw.discount_total, raw.shipping_total, raw.tax_total,
    parts.refunded,
    raw.customer_external_id,
    CASE WHEN raw.customer_external_id IS NOT NULL THEN (
        -- Of one that was removed the record is still known.
        SELECT (SELECT c.id FROM customer AS c WHERE c.id = known.local_id)
        FROM sync_record AS known
        WHERE known.connection_id = %(connection_id)s AND known.entity = 'customers'
          AND known.external_id = raw.customer_external_id
        LIMIT 1
    ) WHEN connection.has_guests AND raw.billing_email IS NOT NULL THEN (
        SELECT c.id FROM customer AS c
        WHERE c.org_id = %(org_id)s::sync_org_id AND c.email_normalized = lower(raw.billing_email)
          AND EXISTS (
              SELECT FROM (
                  SELECT r.connection_id, r.entity FROM sync_record AS r
                  WHERE r.local_id = c.id AND r.tombstoned_at IS NULL
                  -- Else the planner may walk every record of the connection for each order.
                  OFFSET 0
              ) AS known
              WHERE known.connection_id = %(connection_id)s AND known.entity = 'customers')
        LIMIT 1
    ) END AS customer_id,
    raw.billing_email, raw.payment_method, raw.payment_method_title, raw.transaction_id,
    dates.ordered_at, dates.paid_at, dates.completed_at, dates.source_modified_at,
    raw.billing, raw.shipping,
    parts.items
FROM line
CROSS JOIN (
    SELECT name, coalesce(options ->> 'include_guests' = 'true', false) AS has_guests
    FROM sync_connection WHERE connection_id = %(connection_id)s
) AS connection
CROSS JOIN LATERAL (SELECT line.payload || '{}' AS payload OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT
        coalesce(nullif(o.payload ->> 'number', ''), line.external_id) AS number,
        nullif(o.payload ->> 'status', '') AS status,
        nullif(o.payload ->> 'currency', '') AS currency,
        sync_money(o.payload ->> 'total') AS total,
        sync_money(o.payload ->> 'discount_total') AS discount_total,
        sync_money(o.payload ->> 'shipping_total') AS shipping_total,
        sync_money(o.payload ->> 'total_tax') AS tax_total,
        nullif(nullif(o.payload ->> 'customer_id', '0'), '') AS customer_external_id,
        nullif(btrim(o.payload -> 'billing' ->> 'email'), '') AS billing_email,
        nullif(o.payload ->> 'payment_method', '') AS payment_method,
        nullif(o.payload ->> 'payment_method_title', '') AS payment_method_title,
        nullif(o.payload ->> 'transaction_id', '') AS transaction_id,
        nullif(o.payload ->> 'date_created_gmt', '') AS created,
        nullif(o.payload ->> 'date_paid_gmt', '') AS paid,
        nullif(o.payload ->> 'date_completed_gmt', '') AS completed,
        nullif(o.payload ->> 'date_modified_gmt', '') AS modified,
        -- PHP writes an empty object as [].
        coalesce(nullif(nullif(o.payload -> 'billing', '[]'), 'null'), '{}') AS billing,
        coalesce(nullif(nullif(o.payload -> 'shipping', '[]'), 'null'), '{}') AS shipping,
        coalesce(nullif(o.payload -> 'line_items', 'null'), '[]') AS line_items,
        coalesce(nullif(o.payload -> 'shipping_lines', 'null'), '[]') AS shipping_lines,
        coalesce(nullif(o.payload -> 'fee_lines', 'null'), '[]') AS fee_lines,
        coalesce(nullif(o.payload -> 'tax_lines', 'null'), '[]') AS tax_lines,
        coalesce(nullif(o.payload -> 'coupon_lines', 'null'), '[]') AS coupon_lines,
        coalesce(nullif(o.payload -> 'refunds', 'null'), '[]') AS refunds
    OFFSET 0
) AS raw
CROSS JOIN LATERAL (
    SELECT
        sync_utc(raw.created) AS ordered_at, sync_utc(raw.paid) AS paid_at,
        sync_utc(raw.completed) AS completed_at, sync_utc(raw.modified) AS source_modified_at
    OFFSET 0
) AS dates
CROSS JOIN LATERAL (
    SELECT
        coalesce(jsonb_agg(part.item), '[]') AS items,
        coalesce(bool_and(part.is_text), true) AS is_text,
        coalesce(bool_and(part.is_short), true) AS is_short,
        coalesce(bool_and(part.is_money), true) AS is_money,
        coalesce(-sum(part.total) FILTER (WHERE part.is_refund), 0) AS refunded
    FROM (
        SELECT
            coalesce(listed.name_type, 'null') IN ('string', 'null')
                AND coalesce(jsonb_typeof(listed.price), 'null') IN ('number', 'null') AS is_text,
            coalesce(length(listed.name) <= 500, true) AND coalesce(length(listed.sku) <= 200, true)
                AS is_short,
            listed.quantity IS NOT NULL AND listed.subtotal IS NOT NULL
                AND listed.total IS NOT NULL AND listed.tax IS NOT NULL AS is_money,
            false AS is_refund, listed.total,
            jsonb_build_object(
                'kind', 'line', 'id', listed.id, 'name', listed.name,
                'sku', nullif(listed.sku, ''), 'product', nullif(listed.product, '0'),
                'variation', nullif(listed.variation, '0'), 'quantity', listed.quantity,
                'price', listed.price, 'subtotal', listed.subtotal, 'total', listed.total,
                'tax', listed.tax) AS item
        FROM (
            SELECT
                item ->> 'id' AS id, item ->> 'name' AS name,
                jsonb_typeof(item -> 'name') AS name_type, item ->> 'sku' AS sku,
                item ->> 'product_id' AS product, item ->> 'variation_id' AS variation,
                nullif(item -> 'price', 'null') AS price,
                sync_money(item ->> 'quantity') AS quantity,
                sync_money(item ->> 'subtotal') AS subtotal,
                sync_money(item ->> 'total') AS total, sync_money(item ->> 'total_tax') AS tax
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.line_items) = 'array'
                                           THEN raw.line_items END) AS element (item)
            OFFSET 0
        ) AS listed
        UNION ALL
        SELECT
            coalesce(jsonb_typeof(other.name), 'null') IN ('string', 'null'),
            coalesce(length(other.name #>> '{}') <= 500, true),
            other.total IS NOT NULL AND other.tax IS NOT NULL,
            other.kind = 'refund', other.total,
            jsonb_build_object('kind', other.kind, 'id', other.id, 'name', other.name,
                'total', other.total, 'tax', other.tax)
        FROM (
            SELECT 'shipping' AS kind, item ->> 'id' AS id, item -> 'method_title' AS name,
                sync_money(item ->> 'total') AS total, sync_money(item ->> 'total_tax') AS tax
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.shipping_lines) = 'array'
                                           THEN raw.shipping_lines END) AS element (item)
            UNION ALL
            SELECT 'fee', item ->> 'id', item -> 'name', sync_money(item ->> 'total'),
                sync_money(item ->> 'total_tax')
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.fee_lines) = 'array'
                                           THEN raw.fee_lines END) AS element (item)
            UNION ALL
            SELECT 'tax', item ->> 'id', item -> 'label',
                sync_money(item ->> 'tax_total') + sync_money(item ->> 'shipping_tax_total'), 0
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.tax_lines) = 'array'
                                           THEN raw.tax_lines END) AS element (item)
            UNION ALL
            SELECT 'coupon', item ->> 'id', item -> 'code', -sync_money(item ->> 'discount'),
                -sync_money(coalesce(item ->> 'discount_tax', '0'))
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.coupon_lines) = 'array'
                                           THEN raw.coupon_lines END) AS element (item)
            UNION ALL
            SELECT 'refund', item ->> 'id', item -> 'reason', sync_money(item ->> 'total'), 0
            FROM jsonb_array_elements(CASE WHEN jsonb_typeof(raw.refunds) = 'array'
                                           THEN raw.refunds END) AS element (item)
            OFFSET 0
        ) AS other
        OFFSET 0
    ) AS part
    OFFSET 0
) AS parts
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN o.payload ? '_invalid' THEN o.payload -> '_invalid' ->> 'code'
        WHEN coalesce(jsonb_typeof(o.payload -> 'status'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'currency'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'number'), 'null') IN ('object', 'array')
            OR coalesce(jsonb_typeof(o.payload -> 'payment_method'), 'null') NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'payment_method_title'), 'null')
                NOT IN ('string', 'null')
            OR coalesce(jsonb_typeof(o.payload -> 'transaction_id'), 'null') IN ('object', 'array')
            OR jsonb_typeof(raw.billing) <> 'object' OR jsonb_typeof(raw.shipping) <> 'object'
            OR coalesce(jsonb_typeof(raw.billing -> 'email'), 'null') NOT IN ('string', 'null')
            OR translate(raw.customer_external_id, '0123456789', '') <> ''
            OR jsonb_typeof(raw.line_items) <> 'array' OR jsonb_typeof(raw.fee_lines) <> 'array'
            OR jsonb_typeof(raw.shipping_lines) <> 'array' OR jsonb_typeof(raw.refunds) <> 'array'
            OR jsonb_typeof(raw.tax_lines) <> 'array' OR jsonb_typeof(raw.coupon_lines) <> 'array'
            OR NOT parts.is_text
            THEN 'validation.wrong_type'
        WHEN raw.status IS NULL OR raw.currency IS NULL THEN 'validation.field_missing'
        WHEN raw.total IS NULL OR NOT parts.is_money
            OR (raw.discount_total IS NULL AND nullif(o.payload ->> 'discount_total', '') IS NOT NULL)
            OR (raw.shipping_total IS NULL AND nullif(o.payload ->> 'shipping_total', '') IS NOT NULL)
            OR (raw.tax_total IS NULL AND nullif(o.payload ->> 'total_tax', '') IS NOT NULL)
            THEN 'validation.money_invalid'
        WHEN (dates.ordered_at IS NULL) <> (raw.created IS NULL)
            OR (dates.paid_at IS NULL) <> (raw.paid IS NULL)
            OR (dates.completed_at IS NULL) <> (raw.completed IS NULL)
            OR (dates.source_modified_at IS NULL) <> (raw.modified IS NULL)
            THEN 'validation.date_invalid'
        WHEN NOT parts.is_short OR length(raw.billing_email) > 254
            OR length(raw.payment_method_title) > 500 OR length(raw.payment_method) > 200
            OR length(raw.transaction_id) > 200 OR length(raw.number) > 200
            OR length(raw.status) > 200 OR length(raw.currency) > 200
            OR length(raw.customer_external_id) > 200
            THEN 'validation.too_long'
    END AS code
    OFFSET 0
) AS problem
