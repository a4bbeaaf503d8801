-- The records a replay is about: those we know, and those that failed (a new mapping may take them).
-- Used by: replay/wanted.sql, replay/land.sql. Composed per entity: its table, what tells records of
--   the listing itself from children, and when the store says that ours was changed last.
-- Index: sync_record_pkey (one range of it), the target's key, sync_conflict_open_idx; pages and
--   lines of the one queue whose records are meant, if one is, by their keys.
-- Guests are made anew of the figures.
SELECT r.external_id, {is_own} AS is_own, {modified_at} AS modified_at
FROM sync_record AS r LEFT JOIN {target} AS t ON t.id = r.local_id
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s AND r.tombstoned_at IS NULL
  AND NOT coalesce(starts_with(r.external_id, %(guest_prefix)s::text), false)
  AND (%(of_queue_no)s::bigint IS NULL OR r.external_id IN (
      SELECT item ->> 'id'
      FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
      WHERE p.queue_no = %(of_queue_no)s
        AND (p.listing = ANY (%(listings)s) OR starts_with(p.listing, %(prefix)s))
      UNION ALL
      SELECT l.external_id FROM sync_line AS l WHERE l.queue_no = %(of_queue_no)s))
UNION
SELECT c.external_id, NULL, NULL
FROM sync_conflict AS c
WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
  -- Refused keys are about no record.
  AND c.external_id <> '*'
  AND (%(of_queue_no)s::bigint IS NULL OR c.queue_no = %(of_queue_no)s)
  AND NOT coalesce(starts_with(c.external_id, %(guest_prefix)s::text), false)
  AND NOT EXISTS (SELECT FROM sync_record AS r
                  WHERE r.connection_id = c.connection_id AND r.entity = c.entity
                    AND r.external_id = c.external_id AND r.tombstoned_at IS NULL)
