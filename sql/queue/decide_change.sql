-- What each change line of a leased batch comes to: the first CTEs of change.sql and preview_change.sql,
-- so that both decide alike. Gives `batch` (no row: the lease is lost) and `outcome`, one row a line.
-- Composed per entity and range of queue numbers: its columns, the range's table of lines.
-- Index: sync_batch_pkey (fence), the key of the lines, the target's key, sync_record_pkey.
-- A line that a preview showed carries a fingerprint of that (expected). One that comes to something else
--   by now, or whose record the store has again, has moved: nothing is done with it, as in checked.sql.
WITH batch AS MATERIALIZED (
    SELECT queue_no, batch_no, pass
    FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
),
instruction AS (
    SELECT l.line_no, l.external_id, l.expected, l.shown, change.* FROM {line} AS l
    CROSS JOIN LATERAL jsonb_to_record(CASE
        -- To be taken for deleted, and shown to another sync since: a window beside this one.
        WHEN l.expected IS NULL AND l.payload #> '{{_change,is_absent}}' = 'true' AND EXISTS (
            SELECT FROM sync_record AS r
            WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
              AND r.external_id = l.external_id AND r.tombstoned_at IS NULL AND r.absence_count = 0)
        THEN jsonb_build_object('action', 'keep', 'local_id', l.payload #> '{{_change,local_id}}',
            'conflict_no', l.payload #> '{{_change,conflict_no}}',
            'conflict_version', l.payload #> '{{_change,conflict_version}}',
            'by', 'sync', 'why', 'the store has shown it again since')
        ELSE l.payload -> '_change' END) AS change (
        action text, local_id uuid, expect jsonb, "values" jsonb, is_whole boolean, base jsonb,
        content_hash uuid, tombstone text, policy text, conflict_no bigint,
        conflict_version integer, conflict_ends text, sets_aside text, "by" text, why text)
    WHERE l.queue_no = %(queue_no)s AND l.line_no BETWEEN %(first_line)s AND %(last_line)s
      AND CASE (SELECT pass FROM batch)
          WHEN 1 THEN l.state IS NULL ELSE coalesce(l.state = 'draft', false) END
      AND EXISTS (SELECT FROM batch)
    ORDER BY change.local_id
),
current AS (
    SELECT i.*, stands.id AS current_id, stands.ours, stands.contents,
        known.local_id AS known_id, known.base AS known_base, known.content_hash AS known_hash,
        known.tombstoned_at, known.tombstone_reason, known.set_aside,
        known.absence_count > 0 AS is_absent,
        i.conflict_no IS NOT NULL AND conflict.version IS NULL AS is_decided_anew,
        -- One e-mail, two shops: whoever lets the record go, the row is the other's, too.
        i.action = 'delete' AND EXISTS (
            SELECT FROM sync_record AS other
            WHERE other.local_id = i.local_id AND other.tombstoned_at IS NULL
              AND (other.connection_id, other.entity, other.external_id)
                  <> (%(connection_id)s, %(entity)s, i.external_id)) AS is_shared
    FROM instruction AS i
    LEFT JOIN LATERAL (
        SELECT t.id, {ours} AS ours, to_jsonb(t) AS contents FROM {target} AS t
        WHERE t.id = i.local_id
        {row_lock}
    ) AS stands ON true
    LEFT JOIN LATERAL (
        SELECT r.local_id, r.base, r.content_hash, r.tombstoned_at, r.tombstone_reason,
            r.absence_count, r.set_aside
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
                AND c.ours -> key IS DISTINCT FROM c.values -> key
                -- Let go of with the row that it named: nobody's edit.
                AND NOT (key = ANY (%(late_columns)s::text[]) AND c.ours -> key = 'null')
                AS is_moved
            FROM jsonb_object_keys(coalesce(c.expect, '{{}}') || coalesce(c.values, '{{}}')) AS key
            WHERE c.ours ? key
        ) AS each_field
    ) AS field ON c.current_id IS NOT NULL AND c.action IN ('update', 'delete') AND NOT c.is_shared
    OFFSET 0
),
resulted AS (
    SELECT
        c.*, c.ours || c.wanted AS final,
        CASE
            WHEN c.current_id IS NULL AND c.action = 'update' THEN 'change.target_gone'
            WHEN c.is_decided_anew OR c.moved <> '{{}}' AND c.is_whole THEN 'change.moved'
            WHEN c.moved <> '{{}}' THEN 'conflict.data_mismatch'
            -- Or the record has another row by now: it would have two.
            WHEN c.action = 'create' AND (c.current_id IS NOT NULL
                OR c.known_id <> c.local_id AND c.tombstoned_at IS NULL) THEN 'change.exists'
        END AS refusal,
        CASE
            WHEN c.is_decided_anew THEN NULL
            WHEN c.action = 'create' THEN 'create'
            WHEN c.action = 'delete' AND c.current_id IS NOT NULL AND c.moved = '{{}}'
                AND NOT c.is_shared
                AND coalesce(c.policy, 'keep') <> 'keep' THEN 'delete'
            WHEN c.action = 'update' AND (c.moved = '{{}}' OR c.is_whole IS NOT TRUE)
                OR c.action = 'delete' AND c.moved = '{{}}' THEN 'update'
        END AS means
    FROM compared AS c
    OFFSET 0
),
ended AS (
    SELECT
        r.*,
        CASE
            WHEN r.means = 'create' AND r.refusal IS NULL THEN 'created'
            WHEN r.means = 'delete' THEN 'deleted'
            WHEN r.action = 'delete' AND r.refusal IS NULL THEN 'deleted'
            WHEN r.means = 'update' AND r.current_id IS NOT NULL AND r.ours <> r.final THEN 'updated'
            ELSE 'unchanged'
        END AS becomes
    FROM resulted AS r
    OFFSET 0
),
told AS (
    SELECT e.*, difference.*,
        CASE WHEN e.refusal IS NULL THEN e.becomes ELSE 'failed' END AS would,
        md5(jsonb_build_array(e.becomes, e.means, e.current_id, e.refusal, e.is_absent, difference.before,
            difference.after)::text)::uuid AS fingerprint
    FROM ended AS e
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(new.key, new.value) AS after,
            jsonb_object_agg(new.key, e.ours -> new.key) AS before,
            -- Of fields whose edit here gave way, for who takes it back.
            jsonb_object_agg(new.key, e.known_base -> new.key)
                FILTER (WHERE e.known_base -> new.key <> e.ours -> new.key) AS edited_base
        FROM jsonb_each(e.final) AS new
        WHERE new.value <> e.ours -> new.key
    ) AS difference ON e.becomes IN ('updated', 'deleted') AND e.means = 'update'
    OFFSET 0
),
outcome AS MATERIALIZED (
    SELECT
        t.*,
        CASE WHEN checked.is_moved THEN 'preview.moved' ELSE t.refusal END AS code,
        CASE WHEN NOT checked.is_moved THEN t.means END AS effect,
        CASE WHEN checked.is_moved THEN 'unchanged' ELSE t.becomes END AS result,
        CASE
            WHEN checked.is_moved THEN 'moved since the preview: ' || CASE
                WHEN t.tombstoned_at IS NOT NULL THEN 'the record is retired already'
                WHEN t.shown ->> 'result' <> t.would
                    THEN (t.shown ->> 'result') || ' then, ' || t.would || ' now'
                        || CASE WHEN t.moved <> '{{}}'
                            THEN ' (edited here: ' || array_to_string(t.moved, ', ') || ')' ELSE '' END
                WHEN NOT t.is_absent THEN 'the store has the record again'
                ELSE 'our row is another' END
            WHEN t.refusal = 'change.target_gone' THEN 'our row was deleted since'
            WHEN t.refusal = 'change.exists' THEN 'our row is there already'
            WHEN t.refusal = 'change.moved' THEN 'changed since it was decided: '
                || coalesce(nullif(array_to_string(t.moved, ', '), ''), 'what is in dispute')
            WHEN t.refusal = 'conflict.data_mismatch' THEN CASE t.action
                WHEN 'delete' THEN 'to be deleted, but edited here: '
                ELSE 'changed since, and left as it is: ' END || array_to_string(t.moved, ', ')
            ELSE t.why
        END AS reason
    FROM told AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(t.expected <> t.fingerprint, false) AS is_moved
    ) AS checked
)
