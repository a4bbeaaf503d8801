-- Under which parents the records with these ids were listed; no row for one of the listing itself.
-- Caller: stages.refetch, once per chunk, for entities with children. Index: sync_page_pkey.
SELECT DISTINCT ON (item ->> 'id') item ->> 'id' AS external_id, parent.id AS parent_id
FROM sync_page AS p
CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
CROSS JOIN LATERAL (SELECT substr(p.listing, length(%(prefix)s::text) + 1) AS id) AS parent
WHERE p.queue_no = %(queue_no)s AND starts_with(p.listing, %(prefix)s)
  AND item ->> 'id' = ANY (%(external_ids)s)
ORDER BY item ->> 'id', parent.id
