-- The newest whole reading whose pages are kept, and the queues that came after it.
-- Caller: stages.verification. Index: sync_queue_latest_idx, sync_page_pkey.
-- Only one that was proven: of a half one nothing says what is extra here.
SELECT q.queue_no, q.id::text AS queue_id, q.created_at, q.lifetime_value_rule, q.source_total,
    q.extract_note,
    (SELECT coalesce(array_agg(later.queue_no), '{}') FROM sync_queue AS later
     WHERE later.connection_id = q.connection_id AND later.entity = q.entity
       AND later.queue_no > q.queue_no AND NOT later.is_beside) AS later_nos
FROM sync_queue AS q
WHERE q.connection_id = %(connection_id)s AND q.entity = %(entity)s
  AND (q.queue_no = %(reading_no)s OR %(reading_no)s::bigint IS NULL AND NOT q.is_beside
       AND q.filters - 'deletion_limit_percent' = '{}' AND q.extract_note ? 'salt')
  AND q.is_complete
  AND q.extract_note -> 'records' ->> 'store_total' IS NULL
  AND EXISTS (SELECT FROM sync_page AS p
              WHERE p.queue_no = q.queue_no AND p.listing = %(listing)s)
ORDER BY q.queue_no DESC LIMIT 1
