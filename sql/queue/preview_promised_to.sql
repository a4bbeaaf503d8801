-- Which other record has the key once this very preview has happened.
-- Used by: queue/decide.sql, of a preview. Index: sync_line_shown_idx.
(SELECT other.external_id FROM {line} AS other
 WHERE other.queue_no = %(queue_no)s AND other.shown_key = identified.match_key
   AND other.external_id <> identified.external_id
 LIMIT 1)
