-- What a derived payment or refund means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line, whose payload derivations/woocommerce/payments.sql made; %(connection_id)s,
--   %(org_id)s.
-- Index: sales_order_source_key_idx, sync_connection_pkey (once a statement).
-- Measured: 6 us of CPU a row.
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.wrong_type' THEN 'neither a payment nor a refund: '
            || coalesce(left(line.payload ->> 'kind', 50), 'nothing')
        WHEN 'validation.field_missing' THEN 'the payment has no currency'
        WHEN 'validation.money_invalid' THEN 'the amount is no number: '
            || coalesce(left(line.payload ->> 'amount', 50), 'missing')
        WHEN 'validation.date_invalid' THEN 'not a date: ' || left(line.payload ->> 'paid_at', 50)
        WHEN 'validation.too_long' THEN 'longer than allowed: title and reason 500 characters, '
            || 'other texts 200'
        WHEN 'reference.order_missing' THEN 'its order is not here: '
            || coalesce(left(line.payload ->> 'order', 50), 'none is named')
        ELSE line.payload -> '_invalid' ->> 'reason'
    END AS error_message,
    connection.name || ':' || line.external_id AS match_key,
    connection.name AS source,
    raw.kind, raw.order_id, raw.order_external_id, raw.method, raw.method_title,
    raw.transaction_id, raw.amount, raw.currency, raw.paid_at, raw.refund_reason
FROM line
CROSS JOIN (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s) AS connection
CROSS JOIN LATERAL (
    SELECT
        line.payload ->> 'kind' AS kind,
        (
            SELECT o.id FROM sales_order AS o
            WHERE o.org_id = %(org_id)s::sync_org_id
              AND o.source_key = connection.name || ':' || (line.payload ->> 'order')
            LIMIT 1
        ) AS order_id,
        line.payload ->> 'order' AS order_external_id,
        line.payload ->> 'method' AS method,
        line.payload ->> 'method_title' AS method_title,
        line.payload ->> 'transaction_id' AS transaction_id,
        sync_money(line.payload ->> 'amount') AS amount,
        line.payload ->> 'currency' AS currency,
        sync_utc(line.payload ->> 'paid_at') AS paid_at,
        line.payload ->> 'reason' AS refund_reason
    OFFSET 0
) AS raw
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN line.payload ? '_invalid' THEN line.payload -> '_invalid' ->> 'code'
        WHEN coalesce(raw.kind, '') NOT IN ('payment', 'refund') THEN 'validation.wrong_type'
        WHEN raw.currency IS NULL THEN 'validation.field_missing'
        WHEN raw.amount IS NULL THEN 'validation.money_invalid'
        WHEN (raw.paid_at IS NULL) <> (line.payload ->> 'paid_at' IS NULL)
            THEN 'validation.date_invalid'
        WHEN length(raw.method_title) > 500 OR length(raw.refund_reason) > 500
            OR length(raw.method) > 200 OR length(raw.transaction_id) > 200
            OR length(raw.currency) > 200 OR length(raw.order_external_id) > 200
            THEN 'validation.too_long'
        WHEN raw.order_id IS NULL THEN 'reference.order_missing'
    END AS code
    OFFSET 0
) AS problem
