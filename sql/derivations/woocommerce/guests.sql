-- Guests of a store by e-mail, as it would list them had they accounts: (external_id, record).
-- Used by: enqueue/land_guests.sql. Index: sync_order_figure_guest_idx.
-- Who they are says the newest of their orders. Whose e-mail an account has is no guest (see
--   guests_settle.sql). Figures come with the line, as for accounts (enqueue/customer_figures.sql).
SELECT 'guest:' || newest.guest_email AS external_id,
    jsonb_build_object(
        'id', 'guest:' || newest.guest_email,
        'email', newest.billing -> 'email',
        'first_name', newest.billing -> 'first_name',
        'last_name', newest.billing -> 'last_name',
        'username', NULL,
        'role', 'guest',
        'date_created_gmt', NULL,
        'billing', newest.billing - '{email,first_name,last_name}'::text[]) AS record
FROM (
    SELECT DISTINCT ON (guest_email) guest_email, billing
    FROM sync_order_figure
    WHERE connection_id = %(connection_id)s AND guest_email IS NOT NULL AND account_id IS NULL
      AND (%(email)s::text IS NULL OR guest_email = %(email)s)
    ORDER BY guest_email, created_utc DESC NULLS LAST, order_id DESC
) AS newest
