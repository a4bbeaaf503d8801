-- Land the newest kept answer about each record that a replay is about and has none of yet.
-- Caller: stages.replay, once per group of queues, newest first. Index: sync_page_pkey,
--   sync_line_pkey (each queue's own), and those of replay/records.sql.
-- Composed per entity: which records (replay/records.sql).
-- Why the fields: an answer that lacks what is asked for today would empty a column; what it holds
--   besides (figures) is added anew.
-- Why the date: of two queues that were open at once the one with the higher number may have read a
--   record earlier. Nothing older than our row is applied again.
-- A record that the store could not serve has no answer.
WITH landed AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
),
wanted AS MATERIALIZED (
    SELECT records.*, CASE WHEN records.is_own THEN %(fields)s::text[]
                           WHEN NOT records.is_own THEN %(child_fields)s::text[] END AS fields
    FROM (
{records}
    ) AS records
    WHERE NOT EXISTS (SELECT FROM landed WHERE landed.external_id = records.external_id)
),
kept AS (
    SELECT item ->> 'id' AS external_id, item, p.queue_no, 0 AS place, p.fetched_at
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = ANY (%(queue_nos)s::bigint[])
      AND (p.listing = ANY (%(listings)s) OR starts_with(p.listing, %(prefix)s))
    UNION ALL
    -- A line may have been read again since its page landed.
    SELECT l.external_id, l.payload, l.queue_no, 1, NULL
    FROM sync_line AS l
    WHERE l.queue_no = ANY (%(queue_nos)s::bigint[])
),
newest AS (
    SELECT DISTINCT ON (kept.external_id) kept.external_id, kept.item,
        -- Of a record that was never applied nobody knows what it is but itself.
        coalesce(wanted.fields, CASE WHEN kept.item ?& %(fields)s::text[] THEN %(fields)s::text[]
                                     ELSE %(child_fields)s::text[] END) AS fields
    FROM kept JOIN wanted ON wanted.external_id = kept.external_id
    WHERE NOT kept.item ? '_invalid'
      AND CASE WHEN wanted.fields IS NULL
               THEN kept.item ?& %(fields)s::text[]
                   OR coalesce(kept.item ?& %(child_fields)s::text[], false)
               ELSE kept.item ?& wanted.fields END
      AND coalesce(sync_utc(kept.item ->> %(date_field)s::text) >= wanted.modified_at, true)
    ORDER BY kept.external_id, kept.queue_no DESC, kept.place DESC, kept.fetched_at DESC
),
added AS (
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total,
        body, elapsed_ms)
    SELECT %(queue_no)s, %(listing)s, %(first_offset)s + min(place), %(page_records)s,
        %(org_id)s::sync_org_id, count(*), NULL, jsonb_agg(record ORDER BY place), 0
    FROM (
        SELECT (row_number() OVER (ORDER BY newest.external_id) - 1)::integer AS place, (
            SELECT jsonb_object_agg(field.key, field.value)
            FROM jsonb_each(newest.item) AS field WHERE field.key = ANY (newest.fields)
        ) AS record
        FROM newest
    ) AS numbered
    GROUP BY place / %(page_records)s
    RETURNING n_records
)
SELECT coalesce(sum(n_records), 0) AS n_landed FROM added
