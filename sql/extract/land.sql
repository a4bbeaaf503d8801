-- Land one answered range. Landed twice (a stopped extract, two processes): the first one stays.
-- Caller: stages.landing.land. Index: sync_page_pkey.
INSERT INTO sync_page (
    queue_no, listing, first_offset, record_limit, org_id, n_records, total, body, noise,
    elapsed_ms)
VALUES (%(queue_no)s, %(listing)s, %(first_offset)s, %(record_limit)s, %(org_id)s::sync_org_id,
    %(n_records)s, %(total)s, %(body)s::jsonb, %(noise)s, %(elapsed_ms)s)
ON CONFLICT DO NOTHING
