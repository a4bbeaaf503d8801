-- What each line of a leased batch comes to: the first CTEs of complete.sql and preview.sql, so that
-- both decide alike. Gives `batch` (no row: the lease is lost) and, one row a line, `outcome`; or
-- `decided`, of which checked.sql and preview.sql make more.
-- Composed per entity and range of queue numbers: the projection from sql/projections, target and
--   columns from its declaration, the range's table of lines by name. A projection passes line_no,
--   external_id, content_hash and error_count through.
-- Index: sync_batch_pkey (fence), the key of the lines (the batch's range), sync_record_pkey and
--   sync_record_local_idx and sync_record_retired_idx (identity), customer_org_email_idx (match), the
--   target's key.
-- Why the fence comes first: a worker that outlived its lease holds an old token, `batch` is then
--   empty and nothing below finds a row.
-- Why one wide row goes through: joining the steps again was estimated at one row each and became
--   nested loops, batch squared (1,700 lines/s instead of 40,000).
-- Why rows are locked in the order of their keys: overlapping batches would deadlock.
-- Why superseded: a window is applied beside the sync of what changed. What we read before another
--   queue did, by the record's own date, must not undo what that one applied since we were opened.
--   The row is locked then, so that the date is that of its last commit. Not without the second
--   condition: a store that was restored from a backup shows older dates, and is right.
-- Why what a preview's other lines show counts in it: they would have happened.
-- Three ways: `base` is what the record was last taken to have, `theirs` what it is now, `ours` the
--   row. Where nobody edited the row, ours is base, and theirs is taken as it is; else sync_merge
--   decides field by field. A record that holds a field only a person can decide is refused whole.
WITH batch AS MATERIALIZED (
    SELECT queue_no, batch_no, pass
    FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
),
policy AS (
    SELECT %(policies)s::jsonb || coalesce(c.options -> 'policies' -> %(entity)s::text, '{{}}')
        AS policies
    FROM sync_connection AS c WHERE c.connection_id = %(connection_id)s
),
line AS (
    SELECT l.line_no, l.external_id, l.payload, l.content_hash, l.error_count
    FROM {line} AS l
    WHERE l.queue_no = %(queue_no)s AND l.line_no BETWEEN %(first_line)s AND %(last_line)s
      AND CASE (SELECT pass FROM batch)
          WHEN 1 THEN l.state IS NULL ELSE coalesce(l.state = 'draft', false) END
      AND EXISTS (SELECT FROM batch)
),
projected AS (
{projection}
OFFSET 0
),
identified AS (
    SELECT
        projected.*, known.local_id AS known_id, match.id AS match_id,
        known.applied_queue_no AS known_queue_no, known.applied_at AS known_applied_at,
        known.base AS read_base, known.was_tombstone, known.own_id,
        coalesce(known.local_id, match.id) AS target_id,
        row_number() OVER (
            PARTITION BY projected.error_code IS NULL,
                         coalesce(projected.match_key, projected.line_no::text)
            -- Whose e-mail it is already comes first, then who is known at all.
            ORDER BY known.local_id IS DISTINCT FROM match.id, known.local_id IS NULL,
                     projected.line_no
        ) AS claim_no
    FROM projected
    LEFT JOIN LATERAL (
        SELECT
            CASE
                WHEN r.tombstoned_at IS NOT NULL THEN
                    -- Back again: its own row, unless another record has it since. One that was
                    -- retired without a reason left its row to another (guests_settle.sql).
                    CASE WHEN r.tombstone_reason IN ('deleted', 'trashed', 'reverted') THEN (
                        SELECT t.id FROM {target} AS t
                        WHERE t.id = r.local_id AND NOT EXISTS (
                            SELECT FROM sync_record AS other
                            WHERE other.local_id = r.local_id AND other.tombstoned_at IS NULL)
                    ) END
                WHEN projected.error_count = 0 THEN r.local_id
                -- Our row was deleted by hand: the line that found it gone makes it again.
                -- A scalar subquery, for EXISTS would be answered from a hash of the whole table.
                ELSE (SELECT t.id FROM {target} AS t WHERE t.id = r.local_id)
            END AS local_id,
            r.applied_queue_no, r.applied_at, r.base,
            CASE WHEN r.tombstoned_at IS NULL THEN r.local_id END AS own_id,
            CASE WHEN r.tombstoned_at IS NOT NULL THEN r.tombstone_reason END AS was_tombstone
        FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.external_id = projected.external_id
        LIMIT 1
    ) AS known ON true
    LEFT JOIN LATERAL (
        SELECT t.id FROM {target} AS t
        WHERE t.org_id = %(org_id)s::sync_org_id AND t.{match_column} = projected.match_key
          {unless_left}
        -- One at most, where the index is unique; else the first that the index holds. No ORDER BY:
        -- with LIMIT it may walk the primary key until it meets the e-mail (3 s a batch).
        LIMIT 1
    ) AS match ON true
),
judged AS (
    SELECT
        i.*,
        CASE
            WHEN i.error_code IS NOT NULL THEN i.error_code
            WHEN i.claim_no > 1 THEN 'duplicate.same_batch'
            -- Where the company holds one e-mail twice, the index may name the twin of our own row.
            WHEN i.known_id <> i.match_id AND i.match_key IS DISTINCT FROM (
                SELECT t.{match_column} FROM {target} AS t WHERE t.id = i.known_id
            ) THEN 'duplicate.key_taken'
            WHEN i.claimed_by IS NOT NULL THEN
                CASE WHEN i.known_id IS NULL THEN 'duplicate.claimed'
                     ELSE 'duplicate.key_taken' END
        END AS refusal
    FROM (
        SELECT
            identified.*,
            -- Which other record of this connection owns the row that the key finds.
            coalesce(CASE WHEN known_id IS NULL AND match_id IS NOT NULL THEN (
                SELECT r.external_id FROM (
                    SELECT external_id, connection_id, entity FROM sync_record
                    WHERE local_id = identified.match_id AND tombstoned_at IS NULL
                    -- Else statistics of a growing table choose the prefix of the primary key:
                    -- every record of the connection for every line (3 s a batch).
                    OFFSET 0
                ) AS r
                WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
                  AND r.external_id <> identified.external_id
                  {unless_retired}
                LIMIT 1
            ) END, {promised_to}) AS claimed_by,
            -- What the record that left the row had put there: it is the store's, and no edit of ours.
            CASE WHEN known_id IS NULL AND match_id IS NOT NULL THEN (
                SELECT r.base FROM (
                    SELECT base, applied_at, connection_id, entity FROM sync_record
                    WHERE local_id = identified.match_id AND tombstoned_at IS NOT NULL
                    UNION ALL
                    -- Not retired yet where it is only shown (preview_unless_retired.sql).
                    SELECT base, applied_at, connection_id, entity FROM sync_record
                    WHERE local_id = identified.match_id AND tombstoned_at IS NULL
                    OFFSET 0
                ) AS r
                WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
                ORDER BY r.applied_at DESC LIMIT 1
            ) END AS left_base
        FROM identified
        OFFSET 0
    ) AS i
    ORDER BY i.target_id, i.match_key
),
ready AS (
    SELECT
        j.*, current.id AS current_id, current.ours,
        CASE WHEN j.refusal IS NULL AND j.target_id IS NULL THEN
            -- Made again under its own key: what names the row does not dangle.
            coalesce(j.own_id, (%(id_prefix)s::text || lpad(to_hex(j.line_no), 8, '0'))::uuid)
        END AS new_id,
        CASE WHEN j.refusal IS NULL THEN {theirs} END AS theirs,
        {is_superseded} AS is_superseded,
        {is_newer} AS is_newer
    FROM judged AS j
    LEFT JOIN LATERAL (
        SELECT t.id, {modified_columns}, {ours} AS ours FROM {target} AS t
        -- By the key alone: a second condition would offer the planner a second index. Row-level
        -- security holds the organization.
        WHERE j.refusal IS NULL AND t.id = j.target_id
        {row_lock}
    ) AS current ON true
    -- Evaluated once, and not copied.
    OFFSET 0
),
compared AS (
    SELECT r.*, former.base, both_sides.merged,
        coalesce(both_sides.disputed, '{{}}') AS disputed,
        coalesce(both_sides.merged, r.theirs) AS final
    FROM ready AS r
    -- What the row was waited for may have applied: its base goes with the row, and is no older. Of
    -- edited rows alone; who locks a record has locked its row before.
    LEFT JOIN LATERAL (
        SELECT k.base FROM sync_record AS k
        WHERE r.current_id IS NOT NULL AND r.read_base <> r.ours
          AND k.connection_id = %(connection_id)s AND k.entity = %(entity)s
          AND k.external_id = r.external_id
        LIMIT 1
        {row_lock}
    ) AS latest ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.known_id IS NULL THEN r.left_base
                    ELSE coalesce(latest.base, r.read_base) END AS base
    ) AS former
    LEFT JOIN LATERAL (
        SELECT m.merged, m.disputed
        FROM sync_merge(former.base, r.ours, r.theirs,
            (SELECT policies FROM policy), r.is_newer) AS m
        -- The row was edited here; or it was here before the record came.
        WHERE r.current_id IS NOT NULL AND NOT r.is_superseded AND r.theirs <> r.ours
          AND (r.known_id IS NULL OR former.base <> r.ours)
        -- Else the function runs for every line, and the condition afterwards (300 us a line).
        OFFSET 0
    ) AS both_sides ON true
    OFFSET 0
),
resulted AS (
    SELECT
        c.*,
        CASE
            WHEN c.refusal IS NOT NULL OR c.disputed <> '{{}}' THEN 'failed'
            WHEN c.new_id IS NOT NULL THEN 'created'
            WHEN c.current_id IS NULL THEN 'failed'
            WHEN c.final = c.ours THEN 'unchanged'
            WHEN c.is_superseded THEN 'superseded'
            ELSE 'updated'
        END AS result
    FROM compared AS c
),
explained AS (
    SELECT
        r.*,
        CASE WHEN r.result = 'failed' THEN coalesce(r.refusal,
            CASE WHEN r.disputed <> '{{}}' THEN 'conflict.data_mismatch' END, 'queue.target_gone')
        END AS code
    FROM resulted AS r
),
{outcome} AS MATERIALIZED (
    SELECT
        e.*,
        -- Who holds the key may be leaving it in this very sync.
        e.code IN ('queue.target_gone', 'duplicate.key_taken',
                   'duplicate.claimed')
            -- A row that was deleted by hand is made again by the second try: always allowed.
            AND e.error_count < CASE e.code WHEN 'queue.target_gone'
                THEN greatest(%(max_retries)s, 1) ELSE %(key_retries)s END AS is_retried,
        CASE e.code
            WHEN 'duplicate.same_batch'
                THEN 'another record of this sync has the same key: ' || e.match_key
            WHEN 'duplicate.key_taken'
                THEN e.match_key || ' already belongs to '
                    || coalesce('our record ' || e.match_id, 'remote record ' || e.claimed_by)
            WHEN 'duplicate.claimed'
                THEN e.match_key || ' already belongs to remote record ' || e.claimed_by
            WHEN 'queue.target_gone' THEN 'our record was deleted while the line was applied'
            WHEN 'conflict.data_mismatch' THEN 'changed here and there since the last sync: '
                || array_to_string(e.disputed, ', ')
            ELSE CASE e.result WHEN 'superseded' THEN 'a later sync applied the record'
                 ELSE e.error_message END
        END AS reason
    FROM explained AS e
)
