-- Ids that the sweep saw and no page holds: they slipped between pages.
-- Caller: stages.extract. Index: sync_page_pkey.
SELECT item ->> 'id' AS external_id
FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
EXCEPT
SELECT item ->> 'id'
FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
