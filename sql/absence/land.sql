-- Land the ids of known records that a whole, proven reading did not show, as pages of a name of their
-- own; their total is how many the listing should have shown.
-- Caller: stages.absences, stages.absent_guests, once a queue, under as_sets.sql. Index: sync_page_pkey, sync_record_pkey
--   (one range of it); both sides are read whole, by hash.
-- Why pages: a stopped extract goes on with the same set, and it can be looked up which ones they were.
-- What the store has under another role or status is not expected here (`as`), but looked for again.
-- Guests are in no listing, and looked for when they have landed; what a window brought since this queue was opened may be younger than what
-- was read. Both sides as in reconcile/compare.sql.
WITH own AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s AND item ->> 'id' IS NOT NULL
),
child AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND starts_with(p.listing, %(prefix)s)
      AND item ->> 'id' IS NOT NULL
      AND substr(p.listing, length(%(prefix)s::text) + 1) IN (SELECT external_id FROM own)
),
known AS MATERIALIZED (
    SELECT r.external_id, r.elsewhere_as
    FROM sync_record AS r
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NULL
      AND coalesce(starts_with(r.external_id, %(guest_prefix)s), false) = %(of_guests)s
      AND NOT (r.origin_queue_no <> %(queue_no)s AND r.applied_queue_no = r.origin_queue_no
               AND r.applied_at >= (SELECT q.created_at FROM sync_queue AS q
                                    WHERE q.queue_no = %(queue_no)s))
),
absent AS MATERIALIZED (
    SELECT known.external_id, known.elsewhere_as
    FROM known
    WHERE NOT EXISTS (SELECT FROM own WHERE own.external_id = known.external_id)
      AND NOT EXISTS (SELECT FROM child WHERE child.external_id = known.external_id)
),
expected AS (
    SELECT count(*) FILTER (WHERE elsewhere_as IS NULL)::integer AS n_known FROM known
)
INSERT INTO sync_page (
    queue_no, listing, first_offset, record_limit, org_id, n_records, total, body, elapsed_ms)
SELECT %(queue_no)s, %(absent_listing)s, min(numbered.place)::integer, %(page_records)s,
    %(org_id)s::sync_org_id, count(*), expected.n_known,
    jsonb_agg(jsonb_build_object('id', numbered.external_id, 'as', numbered.elsewhere_as)
              ORDER BY numbered.place), 0
FROM (
    SELECT absent.*, row_number() OVER (ORDER BY external_id) - 1 AS place FROM absent
) AS numbered
CROSS JOIN expected
GROUP BY expected.n_known, numbered.place / %(page_records)s
UNION ALL
-- A page of no records is a page: it says that they were looked at.
SELECT %(queue_no)s, %(absent_listing)s, 0, %(page_records)s, %(org_id)s::sync_org_id, 0,
    expected.n_known, '[]', 0
FROM expected WHERE NOT EXISTS (SELECT FROM absent)
ON CONFLICT DO NOTHING
