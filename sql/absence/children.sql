-- Count as absent once the children that their parent, which was read, does not name any more.
-- Caller: stages.absences, of changes: no total tells of children, so the next sync reads everything
--   (extract/records_watermark.sql) and looks a second time.
-- Composed per entity: its table, and the column with a child's parent.
-- Index: sync_page_pkey, product_parent_idx, sync_record_local_idx.
WITH parent AS MATERIALIZED (
    SELECT item ->> 'id' AS parent_id, item -> %(ids_field)s::text AS child_ids
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = ANY (%(listings)s)
      AND jsonb_typeof(item -> %(ids_field)s::text) = 'array'
),
orphan AS MATERIALIZED (
    SELECT r.external_id
    FROM parent
    CROSS JOIN LATERAL (
        SELECT t.id FROM {target} AS t
        WHERE t.source = %(source)s AND t.{parent_column} = parent.parent_id
        OFFSET 0
    ) AS child
    -- By the row's key alone: else statistics may choose every record of the connection.
    CROSS JOIN LATERAL (
        SELECT * FROM sync_record AS known
        WHERE known.local_id = child.id AND known.tombstoned_at IS NULL
        OFFSET 0
    ) AS r
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.absence_count = 0 AND r.elsewhere_as IS NULL
      AND NOT parent.child_ids @> to_jsonb(r.external_id::bigint)
)
UPDATE sync_record AS r
SET absence_count = 1, absent_queue_no = %(queue_no)s
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
  AND r.external_id = ANY (ARRAY(SELECT external_id FROM orphan)) AND r.absence_count = 0
