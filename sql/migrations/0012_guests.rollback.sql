-- Guests' records stay as customers; the next sync without guests leaves them out of what it compares.
DROP INDEX IF EXISTS sales_order_unresolved_guest_idx;
DROP INDEX IF EXISTS sync_order_figure_guest_idx;
ALTER TABLE IF EXISTS sync_order_figure
    DROP COLUMN IF EXISTS customer_key,
    DROP COLUMN IF EXISTS account_id,
    DROP COLUMN IF EXISTS billing,
    DROP COLUMN IF EXISTS guest_email;
-- The next sync reads all orders again, should guests be wanted once more.
DO $$
BEGIN
    IF to_regclass('sync_watermark') IS NOT NULL THEN
        UPDATE sync_watermark SET salt = NULL WHERE salt = 'guests';
    END IF;
END $$;
DROP FUNCTION IF EXISTS sync_email(text);
