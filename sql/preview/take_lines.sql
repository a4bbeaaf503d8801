-- Take over the records of a preview as lines of the sync that applies it.
-- Caller: stages.applying, once a queue. Index: sync_line_pkey, the preview's range of it.
-- Change lines come behind them, in batches of their own (take_changes.sql).
INSERT INTO sync_line (
    queue_no, line_no, org_id, external_id, content_hash, payload, expected, shown)
SELECT %(queue_no)s, l.line_no, %(org_id)s::sync_org_id, l.external_id, l.content_hash, l.payload,
    l.expected, l.shown
FROM sync_line AS l
WHERE l.queue_no = %(preview_no)s AND l.line_no > 0 AND NOT l.payload ? '_change'
ON CONFLICT DO NOTHING
