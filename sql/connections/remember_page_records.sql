-- Keep the page size that a store managed. Caller: stages.extract. Index: sync_connection_pkey.
UPDATE sync_connection SET page_records = %(page_records)s, updated_at = now()
WHERE connection_id = %(connection_id)s AND page_records <> %(page_records)s
