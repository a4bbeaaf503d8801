-- depends: 0011_orchestration
-- What figures need to know of guests, so that they can be customers by their e-mail.

-- An e-mail in the form by which customers are matched, or NULL when it is none. Each rule is that of
-- the customers' projection, which would refuse what passes here and not there.
CREATE OR REPLACE FUNCTION sync_email(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN btrim(given) LIKE '_%@_%._%' AND btrim(given) NOT LIKE '%@%@%'
            AND length(btrim(given)) <= 254
            AND btrim(given) = translate(btrim(given), E' \t\n\r\f\v', '')
        THEN lower(btrim(given))
    END
$$;

ALTER TABLE sync_order_figure
    -- Of an order without an account, where the connection includes guests.
    ADD COLUMN IF NOT EXISTS guest_email text,
    ADD COLUMN IF NOT EXISTS billing jsonb,
    -- The account that has this e-mail: the guest's orders count for it.
    ADD COLUMN IF NOT EXISTS account_id bigint;
-- The id of the customer's record that the order counts for; NULL: for none.
ALTER TABLE sync_order_figure
    ADD COLUMN IF NOT EXISTS customer_key text GENERATED ALWAYS AS (CASE
        WHEN customer_id > 0 THEN customer_id::text
        WHEN account_id IS NOT NULL THEN account_id::text
        ELSE 'guest:' || guest_email
    END) STORED;
CREATE INDEX IF NOT EXISTS sync_order_figure_guest_idx
    ON sync_order_figure (connection_id, guest_email) WHERE guest_email IS NOT NULL;
-- Guests' orders that wait for their customer.
CREATE INDEX IF NOT EXISTS sales_order_unresolved_guest_idx ON sales_order (source)
    WHERE customer_id IS NULL AND customer_external_id IS NULL AND billing_email IS NOT NULL;
