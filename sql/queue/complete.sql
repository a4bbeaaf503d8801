-- Apply one leased batch and finish it, in one statement: all of it happens, or none.
-- Caller: queue.completion.complete, in a transaction of its own, once per lease.
-- Composed per entity and range of queue numbers: the projection from sql/projections, target and
--   columns from its declaration, the range's tables of lines and activity by name. A projection
--   passes line_no, external_id, content_hash and error_count through.
-- Why the range's tables and not the whole: an UPDATE by place (ctid) is right in one table only, and
--   what concerns the whole, such as dropping old ranges, does not wait for a batch or stop it.
-- Index: sync_batch_pkey (fence), the key of the lines (the batch's range), sync_record_pkey and
--   sync_record_local_idx (identity), customer_org_email_idx (match), the target's key.
-- Why the fence comes first: a worker that outlived its lease holds an old token, `batch` is then
--   empty and nothing below finds a row.
-- Why one wide row goes through: joining the steps again was estimated at one row each and became
--   nested loops, batch squared (1,700 lines/s instead of 40,000).
-- Why new keys are made of time, chance and the line's number: they go to the right edge of the
--   index (RFC 9562, version 7), and cost 1 us instead of 6.
-- Why rows are locked and written in the order of their keys: overlapping batches would deadlock.
-- Why superseded: a window is applied beside the sync of what changed. What we read before another
--   queue did, by the record's own date, must not undo what that one applied since we were opened.
--   The row is locked then, so that the date is that of its last commit. Not without the second
--   condition: a store that was restored from a backup shows older dates, and is right.
-- A race on the e-mail raises 23505: the caller tries the batch again, and then sees the other row.
WITH batch AS MATERIALIZED (
    SELECT queue_no, batch_no, pass
    FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
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
        known.applied_queue_no AS known_queue_no,
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
            -- Our row was deleted by hand: the line that found it gone makes it again.
            -- A scalar subquery, for EXISTS would be answered from a hash of the whole table.
            -- A record that was retired left its row to another one (derivations/*/guests_settle.sql).
            CASE WHEN r.tombstoned_at IS NOT NULL THEN NULL
                 WHEN projected.error_count = 0 THEN r.local_id
                 ELSE (SELECT t.id FROM {target} AS t WHERE t.id = r.local_id) END AS local_id,
            r.applied_queue_no
        FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.external_id = projected.external_id
        LIMIT 1
    ) AS known ON true
    LEFT JOIN LATERAL (
        SELECT t.id FROM {target} AS t
        WHERE t.org_id = %(org_id)s::sync_org_id AND t.{match_column} = projected.match_key
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
            WHEN i.claimed_by IS NOT NULL THEN 'duplicate.claimed'
        END AS refusal
    FROM (
        SELECT
            identified.*,
            -- Which other record of this connection owns the row that the key finds.
            CASE WHEN known_id IS NULL AND match_id IS NOT NULL THEN (
                SELECT r.external_id FROM (
                    SELECT external_id, connection_id, entity FROM sync_record
                    WHERE local_id = identified.match_id AND tombstoned_at IS NULL
                    -- Else statistics of a growing table choose the prefix of the primary key:
                    -- every record of the connection for every line (3 s a batch).
                    OFFSET 0
                ) AS r
                WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
                  AND r.external_id <> identified.external_id
                LIMIT 1
            ) END AS claimed_by
        FROM identified
        OFFSET 0
    ) AS i
    ORDER BY i.target_id, i.match_key
),
ready AS MATERIALIZED (
    SELECT
        j.*, current.id AS current_id, {old_columns},
        CASE WHEN j.refusal IS NULL AND j.target_id IS NULL THEN
            (%(id_prefix)s::text || lpad(to_hex(j.line_no), 8, '0'))::uuid
        END AS new_id,
        ({current_columns}) IS DISTINCT FROM ({j_columns}) AS differs,
        {is_superseded} AS is_superseded
    FROM judged AS j
    LEFT JOIN LATERAL (
        SELECT t.id, t.updated_at, {t_columns} FROM {target} AS t
        -- By the key alone: a second condition would offer the planner a second index. Row-level
        -- security holds the organization.
        WHERE j.refusal IS NULL AND t.id = j.target_id
        FOR NO KEY UPDATE
    ) AS current ON true
),
-- Created and updated rows in one statement, by key: an UPDATE joined to `ready` has two join orders,
-- and a plan made while the table was empty walks the whole table for every batch.
stored AS (
    INSERT INTO {target} AS target (id, org_id, {columns})
    SELECT coalesce(current_id, new_id), %(org_id)s::sync_org_id, {columns}
    FROM ready
    WHERE new_id IS NOT NULL OR (current_id IS NOT NULL AND differs AND NOT is_superseded)
    ON CONFLICT (id) DO UPDATE
    SET ({columns}) = ROW ({excluded_columns}), updated_at = now()
),
resulted AS (
    SELECT
        r.*,
        CASE
            WHEN r.refusal IS NOT NULL THEN 'failed'
            WHEN r.new_id IS NOT NULL THEN 'created'
            WHEN r.current_id IS NULL THEN 'failed'
            WHEN r.differs AND r.is_superseded THEN 'superseded'
            WHEN r.differs THEN 'updated'
            ELSE 'unchanged'
        END AS result
    FROM ready AS r
),
explained AS (
    SELECT
        r.*,
        CASE WHEN r.result = 'failed' THEN coalesce(r.refusal, 'queue.target_gone') END AS code
    FROM resulted AS r
),
outcome AS MATERIALIZED (
    SELECT
        e.*,
        -- Who holds the key may be leaving it in this very sync.
        e.code IN ('queue.target_gone', 'duplicate.key_taken',
                   'duplicate.claimed')
            -- A row that was deleted by hand is made again by the second try: always allowed.
            AND e.error_count < CASE e.code WHEN 'queue.target_gone'
                THEN greatest(%(max_retries)s, 1) ELSE %(max_retries)s END AS is_retried,
        CASE e.code
            WHEN 'duplicate.same_batch'
                THEN 'another record of this sync has the same key: ' || e.match_key
            WHEN 'duplicate.key_taken'
                THEN e.match_key || ' already belongs to our record ' || e.match_id
            WHEN 'duplicate.claimed'
                THEN e.match_key || ' already belongs to remote record ' || e.claimed_by
            WHEN 'queue.target_gone' THEN 'our record was deleted while the line was applied'
            ELSE CASE e.result WHEN 'superseded' THEN 'a later sync applied the record'
                 ELSE e.error_message END
        END AS reason
    FROM explained AS e
),
remembered AS (
    INSERT INTO sync_record AS record (
        connection_id, entity, external_id, org_id, local_id, content_hash, origin,
        origin_queue_no, applied_queue_no)
    SELECT %(connection_id)s, %(entity)s, external_id, %(org_id)s::sync_org_id,
        coalesce(target_id, new_id), content_hash,
        CASE result WHEN 'created' THEN 'created' ELSE 'matched' END, %(queue_no)s, %(queue_no)s
    FROM outcome
    WHERE result NOT IN ('failed', 'superseded')
    ORDER BY external_id
    ON CONFLICT (connection_id, entity, external_id) DO UPDATE
    SET content_hash = EXCLUDED.content_hash, local_id = EXCLUDED.local_id,
        -- Made again after somebody deleted it: created by this line, as the first time.
        origin = CASE EXCLUDED.origin WHEN 'created' THEN 'created' ELSE record.origin END,
        origin_queue_no = CASE EXCLUDED.origin WHEN 'created' THEN EXCLUDED.origin_queue_no
                          ELSE record.origin_queue_no END,
        applied_queue_no = EXCLUDED.applied_queue_no, applied_at = now(), tombstoned_at = NULL
),
-- Lines are found by number first and then updated by place: joined directly, the planner may walk
-- the whole queue and look for each of its lines in the batch.
written AS (
    UPDATE {line} AS l
    SET state = CASE WHEN o.is_retried THEN 'draft' ELSE 'failed' END,
        process_count = l.process_count + 1, error_count = l.error_count + 1,
        error_code = o.code, error_message = o.reason, last_error_at = now()
    FROM outcome AS o
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {line} AS s
        WHERE s.queue_no = %(queue_no)s AND s.line_no = o.line_no
        OFFSET 0
    ) AS place
    WHERE o.result = 'failed' AND l.ctid = place.ctid
),
-- In a later pass a line that went well was written before, so it says so itself.
recovered AS (
    UPDATE {line} AS l
    SET state = 'done', process_count = l.process_count + 1
    FROM outcome AS o
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {line} AS s
        WHERE s.queue_no = %(queue_no)s AND s.line_no = o.line_no
        OFFSET 0
    ) AS place
    WHERE o.result <> 'failed' AND EXISTS (SELECT FROM batch WHERE pass > 1)
      AND l.ctid = place.ctid
),
disputed AS (
    INSERT INTO sync_conflict AS conflict (
        org_id, connection_id, entity, external_id, queue_no, line_no, conflict_type, message,
        details)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, external_id, %(queue_no)s,
        line_no,
        CASE WHEN code LIKE 'duplicate.%%' THEN 'DuplicateKey'
             WHEN code LIKE 'queue.%%' THEN 'RetryExhausted'
             ELSE 'ValidationError' END,
        reason, jsonb_build_object('code', code)
    FROM outcome WHERE result = 'failed' AND NOT is_retried
    ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
    DO UPDATE SET queue_no = EXCLUDED.queue_no, line_no = EXCLUDED.line_no,
        message = EXCLUDED.message, details = EXCLUDED.details, updated_at = now()
),
settled AS (
    UPDATE sync_conflict AS conflict
    SET state = 'resolved', resolved_at = now(), resolved_by = 'sync',
        resolution = 'a later sync applied the record', updated_at = now()
    FROM outcome AS o
    WHERE conflict.connection_id = %(connection_id)s AND conflict.entity = %(entity)s
      AND conflict.external_id = o.external_id AND conflict.state = 'open'
      AND o.result <> 'failed'
),
audited AS (
    INSERT INTO {activity} (
        queue_no, line_no, org_id, activity_type, status, message, before, after, details)
    SELECT
        %(queue_no)s, o.line_no, %(org_id)s::sync_org_id,
        CASE WHEN o.is_retried THEN 'record_retried' ELSE 'record_' || o.result END,
        CASE WHEN o.is_retried THEN 'warning' WHEN o.result = 'failed' THEN 'error'
             WHEN o.result = 'superseded' THEN 'info' ELSE 'success' END,
        o.reason, difference.before,
        CASE WHEN o.result = 'created' THEN {new_object} ELSE difference.after END,
        CASE WHEN o.result = 'failed'
             THEN jsonb_build_object('code', o.code, 'external_id', o.external_id) END
    FROM outcome AS o
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(new.key, new.value) AS after,
            jsonb_object_agg(new.key, old.object -> new.key) AS before
        FROM (SELECT {old_object} AS object OFFSET 0) AS old
        CROSS JOIN LATERAL jsonb_each({new_object}) AS new
        WHERE o.result = 'updated' AND new.value IS DISTINCT FROM old.object -> new.key
    ) AS difference ON o.result = 'updated'
),
tally AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE result = 'created')::integer AS n_created,
        count(*) FILTER (WHERE result = 'updated')::integer AS n_updated,
        count(*) FILTER (WHERE result IN ('unchanged', 'superseded'))::integer AS n_unchanged,
        count(*) FILTER (WHERE result = 'failed' AND NOT is_retried)::integer AS n_failed,
        count(*) FILTER (WHERE is_retried)::integer AS n_retried
    FROM outcome
)
UPDATE sync_batch AS b
SET state = CASE WHEN tally.n_retried > 0 THEN 'ready' ELSE 'done' END,
    pass = b.pass + CASE WHEN tally.n_retried > 0 THEN 1 ELSE 0 END,
    available_at = now() + make_interval(secs => %(backoff_seconds)s),
    lease_until = NULL,
    n_created = b.n_created + tally.n_created,
    n_updated = b.n_updated + tally.n_updated,
    n_unchanged = b.n_unchanged + tally.n_unchanged,
    n_done = b.n_done + tally.n_created + tally.n_updated + tally.n_unchanged,
    n_failed = b.n_failed + tally.n_failed,
    finished_at = CASE WHEN tally.n_retried > 0 THEN NULL ELSE now() END,
    worked_at = clock_timestamp(),
    -- A batch that was worked twice within the minute that rates look at brought both.
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + tally.n_created + tally.n_updated + tally.n_unchanged + tally.n_failed
FROM batch, tally
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING tally.n_created, tally.n_updated, tally.n_unchanged, tally.n_failed, tally.n_retried
