-- Whole syncs that came after a record's last line and made none of it, and whether the newest
-- of them met the record at all (NULL: there is none, or its pages are gone).
-- Caller: queue.explain. Index: sync_queue_latest_idx, sync_page_pkey.
WITH whole AS MATERIALIZED (
    SELECT q.queue_no, q.finished_at, %(listing)s || CASE
        WHEN (q.extract_note #>> '{records,is_swept}')::boolean THEN ':ids' ELSE '' END AS listing
    FROM sync_queue AS q
    WHERE q.connection_id = %(connection_id)s AND q.entity = %(entity)s
      AND q.queue_no > %(last_queue_no)s AND q.stage = 'finished' AND q.cancelled_at IS NULL
      AND q.filters = '{}'
)
SELECT
    (SELECT count(*) FROM whole) AS n_syncs,
    (SELECT max(finished_at) FROM whole) AS last_finished_at,
    (SELECT bool_or(EXISTS (
        SELECT FROM jsonb_array_elements(p.body) AS item WHERE item ->> 'id' = %(external_id)s))
     FROM sync_page AS p JOIN whole ON whole.queue_no = p.queue_no AND whole.listing = p.listing
     WHERE p.queue_no = (SELECT max(queue_no) FROM whole)) AS is_listed
