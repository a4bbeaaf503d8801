-- Whether the newest whole sync of an entity met a record (NULL: there is none, it read changes only, or
--   its pages are gone). Children land in listings of their own.
-- Caller: queue.story. Index: sync_queue_latest_idx, sync_page_pkey.
WITH newest AS MATERIALIZED (
    SELECT q.queue_no, (q.extract_note #>> '{records,store_total}') IS NULL AS is_whole,
        %(listing)s || CASE
            WHEN (q.extract_note #>> '{records,is_swept}')::boolean THEN ':ids' ELSE '' END AS listing
    FROM sync_queue AS q
    WHERE q.connection_id = %(connection_id)s AND q.entity = %(entity)s
      AND q.stage = 'finished' AND q.cancelled_at IS NULL
      AND q.filters - 'deletion_limit_percent' = '{}'
    ORDER BY q.queue_no DESC LIMIT 1
)
SELECT bool_or(EXISTS (
    SELECT FROM jsonb_array_elements(p.body) AS item WHERE item ->> 'id' = %(external_id)s))
    AS is_listed
FROM sync_page AS p
-- A number, not a join: the tables of other ranges are not looked at.
WHERE p.queue_no = (SELECT queue_no FROM newest WHERE is_whole)
  AND (p.listing = (SELECT listing FROM newest) OR starts_with(p.listing, %(prefix)s::text))
  AND starts_with(%(external_id)s, %(guest_prefix)s::text) IS NOT TRUE
