-- Money of the orders of the records that were read, by currency, under both rules.
-- Caller: stages.enqueue, for the note of a sync and the warning of mixed currencies.
-- Index: sync_order_figure_pkey, sync_page_pkey; both are read whole, by hash.
-- Only who was read: orders also name accounts of roles that this connection leaves out.
SELECT currency, count(*) AS n_orders, sum(total) AS total,
    coalesce(sum(total - refunded) FILTER (WHERE status IN ('processing', 'completed')), 0)
        AS paid_net
FROM sync_order_figure
WHERE connection_id = %(connection_id)s
  AND customer_key IN (
      SELECT item ->> 'id'
      FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
      WHERE p.queue_no = %(queue_no)s AND p.listing IN (%(listing)s, %(guests)s))
GROUP BY currency ORDER BY n_orders DESC
