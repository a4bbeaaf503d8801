-- Say which guests have an account, and who takes over whose row.
-- Caller: stages.guests, after the figures were taken over and before guests land, under as_sets.sql.
-- Index: sync_page_pkey, sync_record_pkey (one range), sync_order_figure_guest_idx,
--   sync_conflict_open_idx.
-- An account's e-mail is what was read of it; what we know of it, where it was not served. An account
--   that was not listed is gone when the store itself has said so (absence/*.sql) and none of its orders
--   names it: a deleted account's orders become a guest's (recorded), one of another role keeps them.
-- A guest who has an account now leaves its row to the account's record, and a deleted account leaves
--   its row to the guest: the one that goes is retired, the other finds the row by its e-mail.
WITH swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
),
landed AS MATERIALIZED (
    SELECT item ->> 'id' AS external_id, sync_email(item ->> 'email') AS email
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(own_listing)s
      AND (NOT %(is_swept)s OR item ->> 'id' IN (SELECT external_id FROM swept))
),
-- What was not told of accounts that we know.
known AS MATERIALIZED (
    SELECT r.external_id, c.email_normalized AS email, l.external_id IS NOT NULL AS is_listed
    FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id
    LEFT JOIN landed AS l ON l.external_id = r.external_id
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.tombstoned_at IS NULL AND r.external_id ~ '^[0-9]{1,18}$' AND l.email IS NULL
),
absent AS MATERIALIZED (
    SELECT known.external_id, known.email FROM known
    WHERE %(is_proven)s AND NOT known.is_listed
      AND known.external_id IN (
          SELECT item ->> 'id'
          FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
          WHERE p.queue_no = %(queue_no)s AND p.listing = %(answers_listing)s
            AND item ->> 'answer' = 'deleted')
      AND NOT EXISTS (SELECT FROM sync_order_figure AS f
                      WHERE f.connection_id = %(connection_id)s
                        AND f.customer_id = known.external_id::bigint)
),
account AS MATERIALIZED (
    SELECT DISTINCT ON (one.email) one.email, one.external_id::bigint AS account_id
    FROM (
        SELECT external_id, email, 1 AS choice FROM landed
        UNION ALL
        SELECT external_id, email, 2 FROM known
        WHERE external_id NOT IN (SELECT external_id FROM absent)
    ) AS one
    WHERE one.email IS NOT NULL AND one.external_id ~ '^[0-9]{1,18}$'
    ORDER BY one.email, one.choice, one.external_id::bigint
),
guest AS MATERIALIZED (
    SELECT f.order_id, f.guest_email, f.account_id AS was, account.account_id
    FROM sync_order_figure AS f LEFT JOIN account ON account.email = f.guest_email
    WHERE f.connection_id = %(connection_id)s AND f.guest_email IS NOT NULL
),
assigned AS (
    UPDATE sync_order_figure AS f SET account_id = guest.account_id
    FROM guest
    WHERE f.connection_id = %(connection_id)s AND f.order_id = guest.order_id
      AND guest.was IS DISTINCT FROM guest.account_id
      -- Of a part only what is there is known.
      AND (%(is_proven)s OR guest.account_id IS NOT NULL)
    RETURNING f.order_id
),
registered AS (
    UPDATE sync_record AS r SET tombstoned_at = now()
    FROM account
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.external_id = 'guest:' || account.email AND r.tombstoned_at IS NULL
    RETURNING r.external_id
),
succeeded AS (
    UPDATE sync_record AS r SET tombstoned_at = now()
    FROM absent
    WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
      AND r.external_id = absent.external_id
      AND absent.email IN (SELECT guest_email FROM guest WHERE account_id IS NULL)
    RETURNING r.external_id
),
undisputed AS (
    UPDATE sync_conflict AS c
    SET state = 'resolved', resolved_at = now(), resolved_by = 'sync', updated_at = now(),
        resolution = 'the account of this e-mail stands for the guest'
    FROM account
    WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
      AND c.external_id = 'guest:' || account.email AND c.state = 'open'
)
SELECT (SELECT count(*) FROM assigned) AS n_assigned,
    (SELECT count(*) FROM registered) AS n_registered,
    (SELECT count(*) FROM succeeded) AS n_succeeded
