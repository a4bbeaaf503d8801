-- Forget who the guests were: the connection does not include them any more.
-- Caller: stages.figures, when the figures' watermark still says that they are known.
-- Index: sync_order_figure_guest_idx, sync_watermark_pkey.
-- Why the salt at once: where nothing is proven the watermark stays, and would say that they are known
--   when they are wanted again.
WITH forgotten AS (
    UPDATE sync_order_figure SET guest_email = NULL, billing = NULL, account_id = NULL
    WHERE connection_id = %(connection_id)s AND guest_email IS NOT NULL
)
UPDATE sync_watermark SET salt = NULL
WHERE connection_id = %(connection_id)s AND listing = %(listing)s
