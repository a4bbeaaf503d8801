-- Ids of both sides, held against each other as sets.
-- Caller: stages.reconcile, after the queue has finished.
-- Index: sync_page_pkey, sync_record_pkey (one range of it), sync_line_pkey.
-- Composed per entity: its table, and how that tells records of the listing itself from children.
-- Of changes only what they name can be missing by id; the rest is counted.
-- Guests are on both sides when they landed, which takes a page, if an empty one.
-- What another sync brought since this one was opened (a window beside it) may be younger than what
-- this one read: it is not taken for gone.
-- What an undo took back is there, is not here, and is not missing: it stays away until it changes.
-- Which of those are of the listing itself their archived rows say.
-- What the store has under another role or status is not listed, and no difference; what was missing
-- for the first time waits for the next look (absence/*.sql).
-- A record that failed is on their side and not on ours: it is missing, and the reason is known.
WITH own AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s AND item ->> 'id' IS NOT NULL
),
theirs AS MATERIALIZED (
    SELECT external_id FROM own
    UNION
    -- What a sweep did not see was gone by then, and its children with it.
    SELECT item ->> 'id'
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND starts_with(p.listing, %(prefix)s)
      AND item ->> 'id' IS NOT NULL
      AND substr(p.listing, length(%(prefix)s::text) + 1) IN (SELECT external_id FROM own)
    UNION
    SELECT item ->> 'id'
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(guests)s
),
ours AS MATERIALIZED (
    SELECT r.external_id, t.id IS NULL AS is_lost, {is_own} AS is_own,
        r.absence_count = 1 AS is_waiting,
        r.elsewhere_as IS NOT NULL AND NOT EXISTS (
            SELECT FROM theirs WHERE theirs.external_id = r.external_id) AS is_elsewhere,
        r.origin_queue_no <> %(queue_no)s AND r.applied_queue_no = r.origin_queue_no
            AND r.applied_at >= (SELECT q.created_at FROM sync_queue AS q
                                 WHERE q.queue_no = %(queue_no)s) AS is_beside
    FROM sync_record AS r LEFT JOIN {target} AS t ON t.id = r.local_id
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NULL
      -- Guests that this sync did not look for are neither here nor gone.
      AND (starts_with(r.external_id, %(guest_prefix)s) IS NOT TRUE
           OR EXISTS (SELECT FROM sync_page AS p
                      WHERE p.queue_no = %(queue_no)s AND p.listing = %(guests)s))
),
held AS MATERIALIZED (
    SELECT r.external_id, {is_own} AS is_own
    FROM sync_record AS r
    LEFT JOIN LATERAL (
        SELECT row.* FROM sync_archive AS a
        CROSS JOIN LATERAL jsonb_populate_record(NULL::{target}, a.contents) AS row
        WHERE a.connection_id = r.connection_id AND a.entity = r.entity
          AND a.external_id = r.external_id
        ORDER BY a.archive_no DESC LIMIT 1
    ) AS t ON true
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NOT NULL AND r.tombstone_reason = 'reverted'
),
missing AS MATERIALIZED (
    SELECT external_id FROM theirs
    EXCEPT SELECT external_id FROM ours WHERE NOT is_lost
    EXCEPT SELECT external_id FROM held
),
extra AS MATERIALIZED (
    SELECT external_id FROM ours WHERE NOT is_beside AND NOT is_elsewhere
    EXCEPT SELECT external_id FROM theirs
)
SELECT
    -- A page of no records is a page: without any, they are purged and there is nothing to compare.
    EXISTS (SELECT FROM sync_page AS p
            WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s) AS has_pages,
    (SELECT count(*) FROM theirs) AS n_theirs,
    (SELECT count(*) FROM ours) AS n_ours,
    (SELECT count(*) FROM ours WHERE is_lost) AS n_lost,
    (SELECT count(*) FROM ours WHERE is_own AND NOT is_lost AND NOT is_elsewhere)
        + (SELECT count(*) FROM held WHERE is_own) AS n_own,
    (SELECT count(*) FROM held) AS n_held,
    (SELECT count(*) FROM ours WHERE is_own AND NOT is_lost AND is_beside
        AND NOT EXISTS (SELECT FROM theirs WHERE theirs.external_id = ours.external_id)) AS n_beside,
    -- Failed in whatever sync, and not applied by any.
    (SELECT count(DISTINCT c.external_id) FROM sync_conflict AS c
        WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s AND c.state = 'open'
          AND NOT EXISTS (SELECT FROM ours
                          WHERE ours.external_id = c.external_id AND NOT is_lost)) AS n_disputed,
    (SELECT count(*) FROM missing) AS n_missing,
    (SELECT count(*) FROM extra) AS n_extra,
    (SELECT count(*) FROM extra JOIN ours ON ours.external_id = extra.external_id
        WHERE ours.is_waiting) AS n_waiting,
    (SELECT count(*) FROM ours WHERE is_elsewhere) AS n_elsewhere,
    (SELECT coalesce(sum(b.n_deleted), 0) FROM sync_batch AS b
        WHERE b.queue_no = %(queue_no)s) AS n_tombstoned,
    (SELECT count(*) FROM missing JOIN sync_line AS l
        ON l.queue_no = %(queue_no)s AND l.external_id = missing.external_id
        AND l.state = 'failed') AS n_failed,
    (SELECT coalesce(array_agg(external_id), '{{}}') FROM
        (SELECT external_id FROM missing ORDER BY length(external_id), external_id LIMIT 20)
        AS first_ones) AS missing_ids,
    (SELECT coalesce(array_agg(external_id), '{{}}') FROM
        (SELECT external_id FROM extra ORDER BY length(external_id), external_id LIMIT 20)
        AS first_ones) AS extra_ids
