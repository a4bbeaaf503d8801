-- Currencies that the figures of one store mix. Caller: stages.enqueue, for a warning.
-- Index: sync_order_figure_pkey.
SELECT currency, count(*) AS n_orders, sum(total) AS total,
    coalesce(sum(total - refunded) FILTER (WHERE status IN ('processing', 'completed')), 0)
        AS paid_net
FROM sync_order_figure
WHERE connection_id = %(connection_id)s AND customer_id > 0
GROUP BY currency ORDER BY n_orders DESC
