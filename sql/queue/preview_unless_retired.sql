-- A record that is retired in this very preview leaves its row to another one.
-- Used by: queue/decide.sql, of a preview. Index: sync_line_external_idx.
AND NOT EXISTS (
    SELECT FROM {line} AS other
    WHERE other.queue_no = %(queue_no)s AND other.external_id = r.external_id
      AND other.payload #>> '{{_change,tombstone}}' <> '')
