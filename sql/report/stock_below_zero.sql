-- Products and variations of a connection that were sold and are not there, lowest level first.
-- Caller: reports.gathering. Index: inventory_level_source_key_idx (the organization), product_pkey.
-- A variation is told by its product's name and its own, which is "XL" and the like.
-- Managed levels only: what sells from its parent's stock repeats the parent's level.
SELECT p.external_id AS id, concat_ws(', ', parent.name, p.name) AS name, p.sku,
    l.quantity AS level, l.backorders,
    count(*) OVER () AS n_levels
FROM inventory_level AS l
LEFT JOIN product AS p ON p.id = l.product_id
LEFT JOIN product AS parent ON parent.id = p.parent_id
WHERE l.org_id = %(org_id)s::sync_org_id AND l.source = %(source)s
  AND l.management = 'managed' AND l.quantity < 0
ORDER BY l.quantity, 2, l.external_id
LIMIT %(most)s
