-- What a WooCommerce customer means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line (line_no, external_id, content_hash, error_count, payload). The payload is the record
--   as the store sent it, with `order_figures` added when the line was made: count, completed,
--   total, net, first, last.
-- Limits: an e-mail has at most 254 characters (RFC 5321); names and company 500, phone 100.
-- Why OFFSET 0: without it the planner pastes a value's expression wherever the value is used, and
--   every row is computed three times (60 us instead of 20).
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.email_missing' THEN 'the customer has no e-mail address'
        WHEN 'validation.wrong_type' THEN 'e-mail, name, phone or company is not a text'
        WHEN 'validation.too_long' THEN 'longer than allowed: e-mail 254 characters, '
            || 'name and company 500, phone 100'
        WHEN 'validation.email_invalid' THEN 'not an e-mail address: ' || left(shaped.email, 100)
        WHEN 'validation.date_invalid'
            THEN 'date_created_gmt is not a date: ' || left(raw.date_created_gmt, 50)
        ELSE raw._invalid ->> 'reason'
    END AS error_message,
    lower(shaped.email) AS match_key,
    shaped.name, shaped.email, shaped.phone, shaped.company,
    shaped.lifetime_value,
    judged.segment,
    CASE WHEN figures.completed > 0 THEN 'active' ELSE 'prospect' END AS status,
    figures.first AS acquisition_date,
    figures.last AS last_interaction_date,
    jsonb_build_object(
        'street', concat_ws(', ', nullif(btrim(billing.address_1), ''),
                            nullif(btrim(billing.address_2), '')),
        'city', coalesce(billing.city, ''), 'state', coalesce(billing.state, ''),
        'postal_code', coalesce(billing.postcode, ''), 'country', coalesce(billing.country, '')
    ) AS address,
    jsonb_build_object(
        'woocommerce_id', line.external_id, 'username', raw.username, 'role', raw.role,
        'date_created', raw.date_created_gmt, 'order_count', coalesce(figures.count, 0),
        'completed_order_count', coalesce(figures.completed, 0)
    ) AS metadata,
    ARRAY['woocommerce']
        || CASE WHEN judged.segment IN ('enterprise', 'mid_market')
                THEN ARRAY['high-value'] ELSE '{}' END
        || CASE WHEN figures.completed > 0 THEN ARRAY['active'] ELSE '{}' END AS tags
FROM line
CROSS JOIN LATERAL jsonb_to_record(line.payload) AS raw (
    email text, first_name text, last_name text, username text, role text,
    date_created_gmt text, billing jsonb, order_figures jsonb, _invalid jsonb)
CROSS JOIN LATERAL jsonb_to_record(
    CASE WHEN jsonb_typeof(raw.billing) = 'object' THEN raw.billing ELSE '{}' END
) AS billing (
    company text, phone text, address_1 text, address_2 text, city text, state text,
    postcode text, country text)
CROSS JOIN LATERAL jsonb_to_record(coalesce(raw.order_figures, '{}')) AS figures (
    count integer, completed integer, total numeric, net numeric,
    first timestamptz, last timestamptz)
CROSS JOIN LATERAL (
    SELECT
        nullif(btrim(raw.email), '') AS email,
        coalesce(
            nullif(concat_ws(' ',
                nullif(btrim(CASE WHEN position('&' IN raw.first_name) > 0
                    THEN sync_html_decode(raw.first_name) ELSE raw.first_name END), ''),
                nullif(btrim(CASE WHEN position('&' IN raw.last_name) > 0
                    THEN sync_html_decode(raw.last_name) ELSE raw.last_name END), '')), ''),
            nullif(btrim(billing.company), ''),
            btrim(raw.email)) AS name,
        nullif(btrim(billing.company), '') AS company,
        nullif(btrim(billing.phone), '') AS phone,
        coalesce(CASE %(lifetime_value_rule)s::text WHEN 'paid_net' THEN figures.net
                      ELSE figures.total END, 0) AS lifetime_value
    OFFSET 0
) AS shaped
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN raw._invalid IS NOT NULL THEN raw._invalid ->> 'code'
        WHEN shaped.email IS NULL THEN 'validation.email_missing'
        WHEN jsonb_typeof(line.payload -> 'email') <> 'string'
            OR jsonb_typeof(line.payload -> 'first_name') NOT IN ('string', 'null')
            OR jsonb_typeof(line.payload -> 'last_name') NOT IN ('string', 'null')
            OR jsonb_typeof(raw.billing -> 'company') NOT IN ('string', 'null')
            OR jsonb_typeof(raw.billing -> 'phone') NOT IN ('string', 'null')
            -- PHP writes an empty object as [].
            OR (jsonb_typeof(raw.billing) <> 'object' AND raw.billing <> '[]')
            THEN 'validation.wrong_type'
        WHEN length(shaped.email) > 254 OR length(shaped.name) > 500
            OR length(shaped.company) > 500 OR length(shaped.phone) > 100
            THEN 'validation.too_long'
        WHEN shaped.email !~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:]]+$'
            THEN 'validation.email_invalid'
        WHEN raw.date_created_gmt <> '' AND raw.date_created_gmt !~
            '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d$'
            THEN 'validation.date_invalid'
    END AS code
    OFFSET 0
) AS problem
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN shaped.lifetime_value > 50000 THEN 'enterprise'
        WHEN shaped.lifetime_value > 20000 OR figures.completed > 50 THEN 'mid_market'
        WHEN shaped.lifetime_value > 5000 OR figures.completed > 10 THEN 'smb'
        WHEN figures.completed > 2 THEN 'startup'
        ELSE 'individual'
    END AS segment
    OFFSET 0
) AS judged
