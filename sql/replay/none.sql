-- A page of no records is a page: without any, they would pass for purged.
-- Caller: stages.replay, when nothing is kept. Index: sync_page_pkey.
INSERT INTO sync_page (
    queue_no, listing, first_offset, record_limit, org_id, n_records, total, body, elapsed_ms)
VALUES (%(queue_no)s, %(listing)s, 0, 1, %(org_id)s::sync_org_id, 0, NULL, '[]', 0)
