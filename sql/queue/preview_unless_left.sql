-- A row whose record moves to another key in this very preview is found by its old one no more.
-- One that is retired leaves it no key, but the row itself (preview_unless_retired.sql).
-- Used by: queue/decide.sql, of a preview. Index: sync_record_local_idx, sync_line_external_idx.
AND NOT EXISTS (
    SELECT FROM sync_record AS r
    JOIN {line} AS other
        ON other.queue_no = %(queue_no)s AND other.external_id = r.external_id
    WHERE r.local_id = t.id AND r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NULL AND r.external_id <> projected.external_id
      AND other.shown ->> 'result' <> 'failed' AND NOT other.payload ? '_change'
      AND other.shown ->> 'key' IS DISTINCT FROM projected.match_key)
