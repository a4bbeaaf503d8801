-- Records that this very transaction retired, as change lines with numbers below those of all others.
-- Caller: stages.aside, after guests were settled. Index: sync_record_pkey, one range of it.
-- Why by time: guests_settle.sql stamps what it retires with the transaction's.
SELECT (-row_number() OVER (ORDER BY r.external_id))::integer AS line_no, r.external_id,
    '00000000-0000-0000-0000-000000000000'::uuid AS content_hash,
    jsonb_build_object('_change', jsonb_build_object(
        'action', 'keep', 'local_id', r.local_id, 'tombstone', 'merged', 'by', 'guests',
        'why', CASE WHEN r.external_id LIKE 'guest:%%'
            THEN 'an account has this e-mail now, and takes over the row'
            ELSE 'the account is gone, and a guest takes over the row' END)) AS payload
FROM sync_record AS r
WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s AND r.tombstoned_at = now()
