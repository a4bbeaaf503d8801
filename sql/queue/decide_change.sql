-- What each change line of a leased batch comes to: the first CTEs of change.sql and preview_change.sql,
-- so that both decide alike. Gives `batch` (no row: the lease is lost) and `outcome`, one row a line.
-- Composed per entity and range of queue numbers: its columns, the range's table of lines.
-- Index: sync_batch_pkey (fence), the key of the lines, the target's key, sync_record_pkey.
WITH batch AS MATERIALIZED (
    SELECT queue_no, batch_no, pass
    FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
),
instruction AS (
    SELECT l.line_no, l.external_id, change.* FROM {line} AS l
    CROSS JOIN LATERAL jsonb_to_record(l.payload -> '_change') AS change (
        action text, local_id uuid, expect jsonb, "values" jsonb, is_whole boolean, base jsonb,
        content_hash uuid, tombstone text, policy text, conflict_no bigint,
        conflict_version integer, conflict_ends text, "by" text, why text)
    WHERE l.queue_no = %(queue_no)s AND l.line_no BETWEEN %(first_line)s AND %(last_line)s
      AND CASE (SELECT pass FROM batch)
          WHEN 1 THEN l.state IS NULL ELSE coalesce(l.state = 'draft', false) END
      AND EXISTS (SELECT FROM batch)
    ORDER BY change.local_id
),
current AS (
    SELECT i.*, stands.id AS current_id, stands.ours, stands.contents,
        known.local_id AS known_id, known.base AS known_base, known.content_hash AS known_hash,
        known.tombstoned_at, known.tombstone_reason,
        i.conflict_no IS NOT NULL AND conflict.version IS NULL AS is_decided_anew
    FROM instruction AS i
    LEFT JOIN LATERAL (
        SELECT t.id, {ours} AS ours, to_jsonb(t) AS contents FROM {target} AS t
        WHERE t.id = i.local_id
        {row_lock}
    ) AS stands ON true
    LEFT JOIN LATERAL (
        SELECT r.local_id, r.base, r.content_hash, r.tombstoned_at, r.tombstone_reason
        FROM sync_record AS r
        WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
          AND r.external_id = i.external_id
        {record_lock}
    ) AS known ON true
    -- Open, and as it was when it was decided about: a sync may have met the record since.
    LEFT JOIN LATERAL (
        SELECT c.version FROM sync_conflict AS c
        WHERE c.conflict_no = i.conflict_no AND c.state = 'open'
          AND c.version = coalesce(i.conflict_version, c.version)
        FOR NO KEY UPDATE
    ) AS conflict ON true
    OFFSET 0
),
compared AS (
    SELECT c.*, coalesce(field.moved, '{{}}') AS moved, coalesce(field.wanted, '{{}}') AS wanted
    FROM current AS c
    LEFT JOIN LATERAL (
        SELECT
            array_agg(key ORDER BY key) FILTER (WHERE is_moved) AS moved,
            jsonb_object_agg(key, c.values -> key) FILTER (WHERE NOT is_moved AND c.values ? key)
                AS wanted
        FROM (
            SELECT key, c.expect ? key AND c.ours -> key <> c.expect -> key
                AND c.ours -> key IS DISTINCT FROM c.values -> key AS is_moved
            FROM jsonb_object_keys(coalesce(c.expect, '{{}}') || coalesce(c.values, '{{}}')) AS key
            WHERE c.ours ? key
        ) AS each_field
    ) AS field ON c.current_id IS NOT NULL AND c.action IN ('update', 'delete')
    OFFSET 0
),
resulted AS (
    SELECT
        c.*,
        CASE
            WHEN c.current_id IS NULL AND c.action = 'update' THEN 'change.target_gone'
            WHEN c.is_decided_anew OR c.moved <> '{{}}' AND c.is_whole THEN 'change.moved'
            WHEN c.moved <> '{{}}' THEN 'conflict.data_mismatch'
            -- Or the record has another row by now: it would have two.
            WHEN c.action = 'create' AND (c.current_id IS NOT NULL
                OR c.known_id <> c.local_id AND c.tombstoned_at IS NULL) THEN 'change.exists'
        END AS code,
        CASE
            WHEN c.is_decided_anew THEN NULL
            WHEN c.action = 'create' THEN 'create'
            WHEN c.action = 'delete' AND c.current_id IS NOT NULL AND c.moved = '{{}}'
                AND coalesce(c.policy, 'keep') <> 'keep' THEN 'delete'
            WHEN c.action = 'update' AND (c.moved = '{{}}' OR c.is_whole IS NOT TRUE)
                OR c.action = 'delete' AND c.moved = '{{}}' THEN 'update'
        END AS effect
    FROM compared AS c
    OFFSET 0
),
outcome AS MATERIALIZED (
    SELECT
        r.*,
        r.ours || r.wanted AS final,
        CASE
            WHEN r.effect = 'create' AND r.code IS NULL THEN 'created'
            WHEN r.effect = 'delete' THEN 'deleted'
            WHEN r.action = 'delete' AND r.code IS NULL THEN 'deleted'
            WHEN r.effect = 'update' AND r.current_id IS NOT NULL
                AND r.ours <> r.ours || r.wanted THEN 'updated'
            ELSE 'unchanged'
        END AS result,
        CASE r.code
            WHEN 'change.target_gone' THEN 'our row was deleted since'
            WHEN 'change.exists' THEN 'our row is there already'
            WHEN 'change.moved' THEN 'changed since it was decided: '
                || coalesce(nullif(array_to_string(r.moved, ', '), ''), 'what is in dispute')
            WHEN 'conflict.data_mismatch' THEN CASE r.action
                WHEN 'delete' THEN 'to be deleted, but edited here: '
                ELSE 'changed since, and left as it is: ' END || array_to_string(r.moved, ', ')
            ELSE r.why
        END AS reason
    FROM resulted AS r
)
