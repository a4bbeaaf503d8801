-- A row whose record moves to another key in this very preview is found by its old one no more.
-- One that is retired leaves it no key, but the row itself (preview_unless_retired.sql).
-- Used by: queue/decide.sql, of a preview. Index: sync_record_local_idx, sync_line_external_idx.
-- Why OFFSET 0: else statistics of a growing table choose other indexes, and every record of the
--   connection is read for every line.
AND NOT EXISTS (
    SELECT FROM (
        SELECT r.external_id, r.connection_id, r.entity FROM sync_record AS r
        WHERE r.local_id = t.id AND r.tombstoned_at IS NULL
        OFFSET 0
    ) AS holder
    CROSS JOIN LATERAL (
        SELECT o.shown, o.shown_key, o.payload FROM {line} AS o
        WHERE o.queue_no = %(queue_no)s AND o.external_id = holder.external_id
        OFFSET 0
    ) AS other
    WHERE holder.connection_id = %(connection_id)s AND holder.entity = %(entity)s
      AND holder.external_id <> projected.external_id
      AND other.shown ->> 'result' <> 'failed' AND NOT other.payload ? '_change'
      AND other.shown_key IS DISTINCT FROM projected.match_key)
