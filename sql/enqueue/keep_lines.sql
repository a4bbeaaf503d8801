-- Keep a share of a preview's lines. Caller: stages.aside, once per share. Index: sync_line_pkey,
--   sync_line_external_idx (a record that is there twice, or was kept before a stop, is kept once).
INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
SELECT %(queue_no)s, one.line_no, %(org_id)s::sync_org_id, one.external_id, one.content_hash,
    one.payload::jsonb
FROM unnest(%(line_no)s::integer[], %(external_id)s::text[], %(content_hash)s::uuid[],
    %(payload)s::text[]) AS one (line_no, external_id, content_hash, payload)
ON CONFLICT DO NOTHING
