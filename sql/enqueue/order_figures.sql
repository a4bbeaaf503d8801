-- Take over what the landed orders say; an order that cannot be read is left out and reported.
-- Caller: stages.figures, which holds the figures alone (hold_figures.sql).
-- Index: sync_page_pkey, sync_order_figure_pkey.
-- Money and dates are checked by form before they are cast: one bad order must not stop the rest.
-- Why the watermark is as far below the newest date as the reading took: an order that was edited
--   behind the reader is older than one that was edited before it, and must not be passed over.
--   A span, not a time, because the store's clock is not ours.
-- A slice of the whole listing that landed beside the changes counts as well, and moves no watermark.
-- Why the sweep is asked: an order that was deleted while the pages were read has landed.
-- Of guests their e-mail and billing, where the connection includes them: the newest order of an e-mail
--   says who that is.
WITH swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
),
landed AS MATERIALIZED (
    SELECT DISTINCT ON (o.id)
        o.id, o.customer_id, o.status, o.currency, o.total, o.date_created_gmt,
        o.date_modified_gmt, refund.refunded, guest.email AS guest_email,
        CASE WHEN guest.email IS NOT NULL THEN jsonb_build_object(
            'email', o.billing -> 'email', 'first_name', o.billing -> 'first_name',
            'last_name', o.billing -> 'last_name', 'company', o.billing -> 'company',
            'phone', o.billing -> 'phone', 'address_1', o.billing -> 'address_1',
            'address_2', o.billing -> 'address_2', 'city', o.billing -> 'city',
            'state', o.billing -> 'state', 'postcode', o.billing -> 'postcode',
            'country', o.billing -> 'country') END AS billing,
        o.customer_id = '0' AND o.billing IS NULL AS is_without_billing,
        p.listing = %(listing)s AS is_dated,
        coalesce(o.id ~ '^[0-9]{1,18}$' AND o.customer_id ~ '^[0-9]{1,18}$'
            AND o.status IS NOT NULL AND o.total ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$'
            AND coalesce(o.date_created_gmt ~ form.date, true)
            AND coalesce(o.date_modified_gmt ~ form.date, true)
            AND refund.refunded IS NOT NULL, false) AS is_readable
    FROM sync_page AS p
    CROSS JOIN LATERAL jsonb_to_recordset(p.body) AS o (
        id text, customer_id text, status text, currency text, total text,
        date_created_gmt text, date_modified_gmt text, refunds jsonb, billing jsonb)
    CROSS JOIN LATERAL (
        -- Every date of the calendar and no other: the cast must not raise.
        SELECT '^(?!0000)(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])'
            || '|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))'
            || '|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)'
            || 'T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d$' AS date
    ) AS form
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN o.refunds IS NULL OR o.refunds IN ('[]', 'null', '{}') THEN 0
            WHEN jsonb_typeof(o.refunds) <> 'array' THEN NULL
            ELSE (
                SELECT CASE WHEN bool_and(coalesce(
                        r.item ->> 'total' ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$', false))
                    THEN -sum(CASE WHEN r.item ->> 'total' ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$'
                                   THEN (r.item ->> 'total')::numeric END) END
                FROM jsonb_array_elements(o.refunds) AS r (item))
        END AS refunded
    ) AS refund
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(has_guests)s AND o.customer_id = '0'
            AND jsonb_typeof(o.billing -> 'email') = 'string'
            THEN sync_email(o.billing ->> 'email') END AS email
        OFFSET 0
    ) AS guest
    WHERE p.queue_no = %(queue_no)s AND p.listing IN (%(listing)s, %(slice)s)
      AND (NOT %(is_swept)s OR o.id IN (SELECT external_id FROM swept))
    ORDER BY o.id, o.date_modified_gmt DESC, is_dated DESC
),
taken AS (
    INSERT INTO sync_order_figure AS figure (
        connection_id, order_id, org_id, customer_id, status, currency, total, refunded,
        created_utc, modified_utc, guest_email, billing)
    SELECT %(connection_id)s, id::bigint, %(org_id)s::sync_org_id, customer_id::bigint, status,
        coalesce(currency, ''), total::numeric, refunded,
        (date_created_gmt || 'Z')::timestamptz, (date_modified_gmt || 'Z')::timestamptz,
        guest_email, billing
    FROM landed WHERE is_readable
    ON CONFLICT (connection_id, order_id) DO UPDATE
    SET customer_id = EXCLUDED.customer_id, status = EXCLUDED.status,
        currency = EXCLUDED.currency, total = EXCLUDED.total, refunded = EXCLUDED.refunded,
        created_utc = EXCLUDED.created_utc, modified_utc = EXCLUDED.modified_utc,
        guest_email = EXCLUDED.guest_email, billing = EXCLUDED.billing,
        account_id = CASE WHEN figure.guest_email = EXCLUDED.guest_email THEN figure.account_id END
    WHERE (figure.customer_id, figure.status, figure.currency, figure.total, figure.refunded,
           figure.created_utc, figure.modified_utc, figure.guest_email, figure.billing) IS DISTINCT FROM
          (EXCLUDED.customer_id, EXCLUDED.status, EXCLUDED.currency, EXCLUDED.total,
           EXCLUDED.refunded, EXCLUDED.created_utc, EXCLUDED.modified_utc, EXCLUDED.guest_email,
           EXCLUDED.billing)
),
-- A whole listing also says which orders are gone (trashed, deleted).
gone AS (
    DELETE FROM sync_order_figure AS figure
    WHERE %(is_whole)s AND figure.connection_id = %(connection_id)s
      AND NOT EXISTS (SELECT FROM landed WHERE landed.id = figure.order_id::text)
)
SELECT
    coalesce(array_agg(coalesce(id, '?')) FILTER (WHERE NOT is_readable), '{}') AS unreadable_ids,
    max((date_modified_gmt || 'Z')::timestamptz) FILTER (WHERE is_readable AND is_dated) - (
        SELECT coalesce(max(fetched_at)
            - min(fetched_at - make_interval(secs => elapsed_ms / 1000.0)), interval '0')
        FROM sync_page WHERE queue_no = %(queue_no)s AND listing = %(listing)s
    ) AS watermark_utc,
    -- Asked for without their billing: these orders say nothing of guests.
    coalesce(bool_or(is_readable AND is_without_billing), false) AS is_without_billing,
    count(*) FILTER (WHERE is_readable AND customer_id = '0' AND guest_email IS NULL)
        AS n_without_email
FROM landed
