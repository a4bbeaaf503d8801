-- Up to when what landed of a listing is known: the newest date in it, less the time it took to read.
-- highest_id: the highest id in it.
-- Caller: stages.deltas. Index: sync_page_pkey.
-- Why less: a record that was edited behind the reader is older than one edited before it, and must
--   not be passed over. A span, not a time, because the store's clock is not ours.
SELECT max(sync_utc(item ->> %(date_field)s)) - (
    SELECT coalesce(max(fetched_at)
        - min(fetched_at - make_interval(secs => elapsed_ms / 1000.0)), interval '0')
    FROM sync_page WHERE queue_no = %(queue_no)s AND listing = %(listing)s
) AS watermark_utc,
    max(CASE WHEN item ->> 'id' ~ '^[0-9]{1,18}$' THEN (item ->> 'id')::bigint END) AS highest_id
FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
