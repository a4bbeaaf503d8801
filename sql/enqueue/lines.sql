-- Make a line for every landed record whose content is not what was last applied.
-- Caller: stages.enqueue, once per share of the pages: shares are made at once, each commits alone,
--   and the queue moves on when all of them have.
-- Composed per entity: those records (enqueue/differing.sql). Index: as there.
-- Why ON CONFLICT: a listing that moves while it is read holds a record twice, and a share that was
--   made before a crash is made again. A record of the changes and of the slice is taken once.
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, one.line_no, %(org_id)s::sync_org_id, one.external_id, one.content_hash,
    one.payload
FROM (
{differing}
) AS one
ON CONFLICT DO NOTHING
