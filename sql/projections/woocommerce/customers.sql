-- What a WooCommerce customer means: one row per line, typed, or an error code instead.
-- Used by: queue/complete.sql (upsert); preview, conflict check and reconciliation use the same.
-- Reads: line (line_no, external_id, content_hash, error_count, payload). The payload is the record
--   as the store sent it, with `order_figures` added when the line was made: count, completed,
--   total, net, first, last. A guest's is made of its newest order (derivations/woocommerce/guests.sql):
--   its names were typed, so they are not decoded.
-- Limits: an e-mail has at most 254 characters (RFC 5321); names and company 500, phone 100.
-- Why OFFSET 0: without it the planner pastes a value's expression wherever the value is used, and
--   every row is computed three times (60 us instead of 20).
-- Why ->> and not jsonb_to_record: three function scans a row cost more than thirty look-ups in an
--   object of this size (37 us beside 29 us a row). Why LIKE and not one regular expression for
--   the e-mail, and another for the date: 8 us a row less.
SELECT
    line.line_no, line.external_id, line.content_hash, line.error_count,
    problem.code AS error_code,
    CASE problem.code
        WHEN 'validation.email_missing' THEN 'the customer has no e-mail address'
        WHEN 'validation.wrong_type' THEN 'e-mail, name, phone or company is not a text'
        WHEN 'validation.too_long' THEN 'longer than allowed: e-mail 254 characters, '
            || 'name and company 500, phone 100'
        WHEN 'validation.email_invalid' THEN 'not an e-mail address: ' || left(raw.email, 100)
        WHEN 'validation.date_invalid'
            THEN 'date_created_gmt is not a date: ' || left(raw.date_created, 50)
        ELSE line.payload -> '_invalid' ->> 'reason'
    END AS error_message,
    lower(raw.email) AS match_key,
    raw.name, raw.email, raw.phone, raw.company,
    raw.lifetime_value,
    judged.segment,
    CASE WHEN raw.completed > 0 THEN 'active' ELSE 'prospect' END AS status,
    (raw.figures ->> 'first')::timestamptz AS acquisition_date,
    (raw.figures ->> 'last')::timestamptz AS last_interaction_date,
    jsonb_build_object(
        'street', concat_ws(', ', nullif(btrim(raw.billing ->> 'address_1'), ''),
                            nullif(btrim(raw.billing ->> 'address_2'), '')),
        'city', coalesce(raw.billing ->> 'city', ''),
        'state', coalesce(raw.billing ->> 'state', ''),
        'postal_code', coalesce(raw.billing ->> 'postcode', ''),
        'country', coalesce(raw.billing ->> 'country', '')
    ) AS address,
    jsonb_build_object(
        'woocommerce_id', CASE WHEN NOT raw.is_guest THEN line.external_id END, 'username', line.payload ->> 'username',
        'role', line.payload ->> 'role', 'date_created', raw.date_created,
        'order_count', coalesce((raw.figures ->> 'count')::integer, 0),
        'completed_order_count', raw.completed
    ) AS metadata,
    CASE
        WHEN judged.segment IN ('enterprise', 'mid_market') THEN
            CASE WHEN raw.completed > 0 THEN '{woocommerce,high-value,active}'::text[]
                 ELSE '{woocommerce,high-value}'::text[] END
        WHEN raw.completed > 0 THEN '{woocommerce,active}'::text[]
        ELSE '{woocommerce}'::text[]
    END || CASE WHEN raw.is_guest THEN '{guest}'::text[] END AS tags
FROM line
CROSS JOIN LATERAL (
    SELECT
        text.*,
        coalesce(
            nullif(concat_ws(' ',
                nullif(btrim(CASE WHEN position('&' IN text.first_name) > 0 AND NOT text.is_guest
                    THEN sync_html_decode(text.first_name) ELSE text.first_name END), ''),
                nullif(btrim(CASE WHEN position('&' IN text.last_name) > 0 AND NOT text.is_guest
                    THEN sync_html_decode(text.last_name) ELSE text.last_name END), '')), ''),
            text.company, text.email) AS name,
        coalesce((text.figures ->> 'completed')::integer, 0) AS completed,
        coalesce((text.figures ->> CASE %(lifetime_value_rule)s::text
            WHEN 'paid_net' THEN 'net' ELSE 'total' END)::numeric, 0) AS lifetime_value
    FROM (
        SELECT
            starts_with(line.external_id, 'guest:') AS is_guest,
            line.payload -> 'billing' AS billing,
            line.payload -> 'order_figures' AS figures,
            nullif(btrim(line.payload ->> 'email'), '') AS email,
            line.payload ->> 'first_name' AS first_name,
            line.payload ->> 'last_name' AS last_name,
            nullif(line.payload ->> 'date_created_gmt', '') AS date_created,
            nullif(btrim(line.payload -> 'billing' ->> 'company'), '') AS company,
            nullif(btrim(line.payload -> 'billing' ->> 'phone'), '') AS phone
        OFFSET 0
    ) AS text
    OFFSET 0
) AS raw
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN line.payload ? '_invalid' THEN line.payload -> '_invalid' ->> 'code'
        WHEN raw.email IS NULL THEN 'validation.email_missing'
        WHEN jsonb_typeof(line.payload -> 'email') <> 'string'
            OR jsonb_typeof(line.payload -> 'first_name') NOT IN ('string', 'null')
            OR jsonb_typeof(line.payload -> 'last_name') NOT IN ('string', 'null')
            OR jsonb_typeof(raw.billing -> 'company') NOT IN ('string', 'null')
            OR jsonb_typeof(raw.billing -> 'phone') NOT IN ('string', 'null')
            -- PHP writes an empty object as [].
            OR (jsonb_typeof(raw.billing) NOT IN ('object', 'null') AND raw.billing <> '[]')
            THEN 'validation.wrong_type'
        WHEN length(raw.email) > 254 OR length(raw.name) > 500
            OR length(raw.company) > 500 OR length(raw.phone) > 100
            THEN 'validation.too_long'
        WHEN raw.email NOT LIKE '_%%@_%%._%%' OR raw.email LIKE '%%@%%@%%'
            OR raw.email <> translate(raw.email, E' \t\n\r\f\v', '')
            THEN 'validation.email_invalid'
        WHEN translate(raw.date_created, '0123456789', '##########') <> '####-##-##T##:##:##'
            OR substr(raw.date_created, 6, 2) NOT BETWEEN '01' AND '12'
            OR substr(raw.date_created, 9, 2) NOT BETWEEN '01' AND '31'
            OR substr(raw.date_created, 12, 2) > '23' OR substr(raw.date_created, 15, 2) > '59'
            OR substr(raw.date_created, 18, 2) > '59'
            THEN 'validation.date_invalid'
    END AS code
    OFFSET 0
) AS problem
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN raw.lifetime_value > 50000 THEN 'enterprise'
        WHEN raw.lifetime_value > 20000 OR raw.completed > 50 THEN 'mid_market'
        WHEN raw.lifetime_value > 5000 OR raw.completed > 10 THEN 'smb'
        WHEN raw.completed > 2 THEN 'startup'
        ELSE 'individual'
    END AS segment
    OFFSET 0
) AS judged
