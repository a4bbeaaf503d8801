-- Forget who the guests were: the connection does not include them any more.
-- Caller: stages.figures, when the figures' watermark still says that they are known.
-- Index: sync_order_figure_guest_idx.
UPDATE sync_order_figure SET guest_email = NULL, billing = NULL, account_id = NULL
WHERE connection_id = %(connection_id)s AND guest_email IS NOT NULL
