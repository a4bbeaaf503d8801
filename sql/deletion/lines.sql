-- Make the change lines and batches of records that the store says are gone, behind all other lines.
-- Caller: stages.deletions, in the transaction that moves the queue on to apply: all of it, or none.
-- Composed per entity: its table and its match column.
-- Index: sync_page_pkey, sync_record_pkey, the target's key, sync_line_pkey, sync_batch_pkey.
-- expect: what a row that is archived or deleted must still be, as the record was last applied (base):
--   an edit here is then a DataMismatch for a person. A row that stays loses nothing, so only what is
--   marked in it must not move meanwhile. References that were filled in later are nobody's edit. Where no base is known a row is archived, never deleted.
-- merged: another listed record has its key now (two accounts made one): the row stays, unmarked.
-- Retired already: another record took its row over (guests_settle.sql).
-- is_absent: a line does nothing where the record was shown again by the time (queue/decide_change.sql).
-- is_shared: a record of another store has the same row (one e-mail, two shops): it stays, unmarked.
WITH answer AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id, item ->> 'answer' AS answer
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
      AND item ->> 'answer' IN ('deleted', 'trashed')
),
policy AS (
    SELECT coalesce(c.options -> 'deletion_policy' ->> %(entity)s::text, %(policy)s::text) AS policy
    FROM sync_connection AS c WHERE c.connection_id = %(connection_id)s
),
gone AS MATERIALIZED (
    SELECT r.external_id, r.local_id, r.base - %(late_columns)s::text[] AS base, answer.answer,
        t.ours, t.match_key,
        EXISTS (SELECT FROM sync_record AS other
                WHERE other.local_id = r.local_id AND other.tombstoned_at IS NULL
                  AND (other.connection_id, other.entity, other.external_id)
                      <> (r.connection_id, r.entity, r.external_id)) AS is_shared,
        CASE WHEN policy.policy = 'delete' AND r.base IS NULL THEN 'archive' ELSE policy.policy END
            AS policy
    FROM answer
    -- By key: joined, every answer may be looked at for each record (absence/count.sql).
    CROSS JOIN LATERAL (
        SELECT * FROM sync_record AS known
        WHERE known.connection_id = %(connection_id)s AND known.entity = %(entity)s
          AND known.external_id = answer.external_id AND known.tombstoned_at IS NULL
        LIMIT 1
    ) AS r
    LEFT JOIN LATERAL (
        SELECT t.{match_column} AS match_key, (
            SELECT jsonb_object_agg(col.key, col.value) FROM jsonb_each(to_jsonb(t)) AS col
            WHERE col.key = ANY (%(columns)s)) AS ours
        FROM {target} AS t
        WHERE t.id = r.local_id
    ) AS t ON true
    CROSS JOIN policy
),
-- Keys that listed records have now; looked at only where one may have been taken over.
taken AS MATERIALIZED (
    SELECT DISTINCT lower(btrim(item ->> %(key_field)s::text)) AS match_key
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(own_listing)s
      AND %(key_field)s::text IS NOT NULL AND EXISTS (SELECT FROM gone)
      AND lower(btrim(item ->> %(key_field)s::text)) IN (SELECT match_key FROM gone)
      AND item ->> 'id' NOT IN (SELECT external_id FROM gone)
),
decided AS (
    SELECT gone.*,
        gone.match_key IN (SELECT match_key FROM taken) IS TRUE AS is_merged,
        CASE WHEN gone.policy = 'keep' AND gone.ours IS NOT NULL AND NOT gone.is_shared THEN CASE
            WHEN %(mark_column)s::text IS NULL THEN '{{}}'::jsonb
            WHEN %(mark_tag)s::text IS NULL THEN jsonb_build_object(%(mark_column)s::text,
                CASE gone.answer WHEN 'trashed' THEN 'trash' ELSE gone.answer END)
            WHEN gone.ours -> %(mark_column)s::text ? %(mark_tag)s::text THEN '{{}}'
            ELSE jsonb_build_object(%(mark_column)s::text,
                coalesce(nullif(gone.ours -> %(mark_column)s::text, 'null'), '[]')
                || to_jsonb(%(mark_tag)s::text))
        END ELSE '{{}}' END AS marks
    FROM gone
),
-- The mark is the store's doing; what else somebody put into a list here stays an edit.
based AS (
    SELECT decided.*, CASE
        WHEN decided.is_merged OR decided.base IS NULL OR decided.marks = '{{}}' THEN NULL
        WHEN %(mark_tag)s::text IS NULL THEN decided.marks
        ELSE jsonb_build_object(%(mark_column)s::text,
            coalesce(nullif(decided.base -> %(mark_column)s::text, 'null'), '[]')
            || to_jsonb(%(mark_tag)s::text)) END AS marked_base
    FROM decided
),
last AS (
    SELECT
        (SELECT coalesce(max(line_no), 0) FROM sync_line WHERE queue_no = %(queue_no)s) AS line_no,
        (SELECT coalesce(max(batch_no), 0) FROM sync_batch WHERE queue_no = %(queue_no)s) AS batch_no
),
made AS (
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
    SELECT %(queue_no)s,
        last.line_no + row_number() OVER (ORDER BY decided.external_id),
        %(org_id)s::sync_org_id, decided.external_id, '00000000-0000-0000-0000-000000000000',
        jsonb_build_object('_change', jsonb_build_object(
            'action', CASE WHEN decided.is_merged OR decided.is_shared THEN 'keep' ELSE 'delete' END,
            'local_id', decided.local_id,
            'expect', CASE
                WHEN decided.is_merged OR decided.is_shared THEN '{{}}'
                WHEN decided.policy = 'keep' THEN coalesce((
                    SELECT jsonb_object_agg(mark, decided.ours -> mark)
                    FROM jsonb_object_keys(decided.marks) AS mark), '{{}}')
                ELSE coalesce(decided.base, '{{}}') END,
            'values', CASE WHEN decided.is_merged THEN '{{}}' ELSE decided.marks END,
            'is_whole', false,
            'base', decided.marked_base,
            'content_hash', NULL,
            'tombstone', CASE WHEN decided.is_merged THEN 'merged' ELSE decided.answer END,
            'policy', decided.policy,
            'is_absent', true,
            'by', 'sync',
            'why', CASE
                WHEN decided.is_merged THEN 'gone in the store, and another record has its '
                    || %(key_field)s::text || ' now'
                WHEN decided.is_shared
                    THEN 'gone in the store; the row stays, for a record of another store has it'
                WHEN decided.answer = 'trashed' THEN 'in the store''s trash'
                ELSE 'deleted in the store' END))
    FROM based AS decided CROSS JOIN last
    ON CONFLICT (queue_no, external_id) DO NOTHING
    RETURNING line_no
)
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, operation)
SELECT %(queue_no)s, last.batch_no + 1 + numbered.place / %(batch_size)s, %(org_id)s::sync_org_id,
    min(numbered.line_no), max(numbered.line_no), count(*), 'change'
FROM (SELECT line_no, row_number() OVER (ORDER BY line_no) - 1 AS place FROM made) AS numbered
CROSS JOIN last
GROUP BY last.batch_no, numbered.place / %(batch_size)s
RETURNING n_total
