-- Whether a connection has guests' records, wanted or not. Caller: stages.guests.
-- Index: sync_record_pkey, one range of it; to its end where there is none (0.2 s of a million).
SELECT EXISTS (
    SELECT FROM sync_record
    WHERE connection_id = %(connection_id)s AND entity = %(entity)s AND tombstoned_at IS NULL
      AND starts_with(external_id, %(prefix)s)) AS holds_guests
