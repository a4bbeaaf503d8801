-- How many orders the store must hold, if none was trashed or deleted: those we know and new ones.
-- Caller: stages.extract. Index: sync_order_figure_pkey, sync_page_pkey.
SELECT
    (SELECT count(*) FROM sync_order_figure WHERE connection_id = %(connection_id)s)
    + (SELECT count(DISTINCT item ->> 'id')
       FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
       WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
         AND NOT EXISTS (
             SELECT FROM sync_order_figure AS f
             WHERE f.connection_id = %(connection_id)s
               AND f.order_id = CASE WHEN item ->> 'id' ~ '^[0-9]{1,18}$'
                                     THEN (item ->> 'id')::bigint END)) AS n_expected
