-- Both sides of a proof, record by record: (external_id, theirs, ours, kind, reason), theirs and ours
--   being content hashes. kind: missing here, extra here, changed (the content differs), same.
--   reason: why a difference is no fault; NULL: nobody knows.
-- Used by: proof/compare.sql, proof/differences.sql. Composed per entity: what landed, with its hash
--   (enqueue/hashed.sql).
-- Index: sync_page_pkey, sync_line_pkey (the queues' lines), sync_record_pkey (one range of it),
--   sync_conflict_open_idx; all are read once and joined as sets (proof/as_sets.sql).
-- Theirs: what the queue read; of what became a line the newest line, for a line may have been read
--   again, and a later queue may have read the record later. A window's line that was not applied does
--   not count: it was older than what is here (queue/complete.sql, superseded). Nor do lines that are
--   instructions (queue/change.sql): they stand for no content, and have the hash of none.
-- Why COLLATE "C": a set needs an order, not that of a language, which takes three times as long.
-- Only of a whole reading what is ours and was not read is extra. What another queue applied since may
--   be younger than what was read, and guests count where they landed.
WITH page AS (
    SELECT DISTINCT ON (hashed.external_id COLLATE "C") hashed.external_id, hashed.content_hash
    FROM (
{hashed}
    ) AS hashed
    ORDER BY hashed.external_id COLLATE "C"
),
line AS (
    SELECT DISTINCT ON (l.external_id COLLATE "C") l.external_id, l.content_hash,
        CASE WHEN l.state IS NULL AND q.stage <> 'finished' THEN 'draft' ELSE l.state END AS state
    FROM sync_line AS l
    JOIN sync_queue AS q ON q.queue_no = l.queue_no
    WHERE l.queue_no = ANY (%(queue_nos)s::bigint[])
      AND l.content_hash <> '00000000-0000-0000-0000-000000000000'
      AND (NOT q.is_window OR l.state IS NOT NULL AND l.state = 'failed'
           OR EXISTS (SELECT FROM sync_record AS known
                      WHERE known.connection_id = %(connection_id)s AND known.entity = %(entity)s
                        AND known.external_id = l.external_id
                        AND known.applied_queue_no >= l.queue_no))
    ORDER BY l.external_id COLLATE "C", l.queue_no DESC
),
theirs AS (
    SELECT coalesce(line.external_id, page.external_id) AS external_id,
        coalesce(line.content_hash, page.content_hash) AS content_hash, line.state
    FROM page FULL JOIN line ON line.external_id = page.external_id
),
ours AS (
    SELECT r.external_id, r.content_hash, r.tombstoned_at, r.tombstone_reason, r.elsewhere_as,
        r.set_aside, r.applied_at >= %(read_at)s AND r.applied_queue_no <> ALL (%(queue_nos)s::bigint[])
            AS is_later
    FROM sync_record AS r
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
),
open_conflict AS (
    SELECT DISTINCT c.external_id FROM sync_conflict AS c
    WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
      -- What an undo asks about is no reason for what the store says.
      AND NOT c.details ? 'change'
),
side AS (
    SELECT
        coalesce(theirs.external_id, ours.external_id) AS external_id,
        theirs.content_hash AS theirs,
        CASE WHEN ours.tombstoned_at IS NULL THEN ours.content_hash END AS ours,
        theirs.state, ours.content_hash AS known_hash, ours.tombstoned_at, ours.tombstone_reason,
        ours.elsewhere_as, ours.set_aside, ours.is_later
    FROM theirs FULL JOIN ours ON ours.external_id = theirs.external_id
    WHERE theirs.external_id IS NOT NULL
       OR %(is_whole)s AND ours.tombstoned_at IS NULL AND NOT ours.is_later
          AND (starts_with(ours.external_id, %(guest_prefix)s::text) IS NOT TRUE
               OR EXISTS (SELECT FROM sync_page AS p
                          WHERE p.queue_no = %(queue_no)s AND p.listing = %(guests)s))
)
SELECT side.external_id, side.theirs, side.ours,
    CASE WHEN side.theirs IS NULL THEN 'extra' WHEN side.ours IS NULL THEN 'missing'
         WHEN side.theirs <> side.ours THEN 'changed' ELSE 'same' END AS kind,
    CASE
        -- Known by what the store has, and our row holds something else.
        WHEN side.theirs = side.ours THEN side.set_aside
        WHEN side.theirs IS NULL AND side.elsewhere_as IS NOT NULL THEN 'elsewhere'
        WHEN side.theirs IS NULL THEN 'gone'
        WHEN side.state IN ('failed', 'cancelled', 'draft') THEN side.state
        WHEN side.tombstone_reason = 'reverted' THEN 'reverted'
        WHEN side.tombstoned_at >= %(read_at)s THEN 'retired'
        WHEN side.is_later THEN 'later'
        WHEN side.known_hash = '00000000-0000-0000-0000-000000000000' THEN 'lost'
        WHEN open_conflict.external_id IS NOT NULL THEN 'failed'
    END AS reason
FROM side LEFT JOIN open_conflict ON open_conflict.external_id = side.external_id
