-- What stands of a connection's figures, and since when the orders that are to be taken over were read.
-- Caller: stages.figures, after hold_figures.sql; a statement of its own, to see what the lock waited
--   for. Index: sync_watermark_pkey, sync_page_pkey.
SELECT w.queue_no, w.updated_at, w.watermark_utc, w.salt, page.began_at
FROM (
    SELECT min(fetched_at - make_interval(secs => elapsed_ms / 1000.0)) AS began_at
    FROM sync_page WHERE queue_no = %(queue_no)s AND listing IN (%(listing)s, %(slice)s)
) AS page
LEFT JOIN sync_watermark AS w
    ON w.connection_id = %(connection_id)s AND w.listing = %(known_as)s
