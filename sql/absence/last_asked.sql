-- Up to which id the absent records of a queue were asked for. Caller: stages.confirming.
-- Index: sync_page_pkey.
SELECT max(item ->> 'id') AS external_id
FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
