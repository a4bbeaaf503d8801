-- Stock of every product and variation of a connection, from our own products: no call to the store.
-- Used by: what lands derived records. Gives (external_id, record, changed_at), in order of
--   external_id; changed_at is the newest change the record is made of.
-- Reads: %(connection_id)s; %(changed_after)s: products that changed since, NULL for all.
-- Index: product_changed_idx (source, updated_at).
-- Nothing but stock is in it: an edited price makes no new record.
SELECT
    p.external_id,
    jsonb_build_object(
        'id', p.external_id, 'manage_stock', p.manage_stock, 'stock_quantity', p.stock_quantity,
        'stock_status', p.stock_status, 'backorders', p.backorders) AS record,
    p.updated_at AS changed_at
FROM product AS p
WHERE p.source = (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s)
  AND p.external_id IS NOT NULL
  AND (%(changed_after)s::timestamptz IS NULL OR p.updated_at > %(changed_after)s::timestamptz)
ORDER BY p.external_id
