-- Make the change lines of a revert, one for every record that the reverted queue changed.
-- Caller: queue.reverting, in the transaction that opens the queue. Composed: revert/instructions.sql.
-- Index: as there. One statement over sets: a million records take no memory of ours.
-- Why numbers run backwards: what was done last is taken back first, so that an e-mail that went from
--   one record to another is free again when it is wanted.
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, %(above)s - line_no, %(org_id)s::sync_org_id, external_id,
    '00000000-0000-0000-0000-000000000000', jsonb_build_object('_change', change)
FROM (
{instructions}
) AS made
