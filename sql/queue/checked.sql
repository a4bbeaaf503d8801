-- What is done of a preview's lines: what it showed, and nothing of a line that comes to something else
-- by now. Gives `outcome` to complete.sql, of `shown` (shown.sql).
-- Composed per entity and range of queue numbers: its columns, the range's table of lines.
-- Index: the key of the lines.
-- What may yet come right, because another line of this sync leaves its key, tries again first.
outcome AS MATERIALIZED (
    SELECT
        {handed_on},
        CASE WHEN moved.is_so THEN 'failed' ELSE s.result END AS result,
        CASE WHEN moved.is_so THEN 'preview.moved' ELSE s.code END AS code,
        s.is_retried IS TRUE AS is_retried,
        CASE
            WHEN NOT moved.is_so THEN s.reason
            WHEN told.shown IS NULL THEN 'moved: the preview showed nothing of it'
            WHEN told.shown ->> 'result' <> s.result THEN 'moved since the preview: '
                || (told.shown ->> 'result') || ' then, ' || s.result || ' now'
                || coalesce(' (' || s.reason || ')', '')
            ELSE 'moved since the preview: ' || coalesce((
                SELECT string_agg(field, ', ' ORDER BY field)
                FROM jsonb_object_keys(coalesce(told.shown -> 'fields', '{{}}')
                    || coalesce(s.telling -> 'fields', '{{}}')) AS field
                WHERE told.shown -> 'fields' -> field
                    IS DISTINCT FROM s.telling -> 'fields' -> field
            ), s.code, 'it is another row of ours')
        END AS reason
    FROM shown AS s
    CROSS JOIN LATERAL (
        SELECT l.expected, l.shown FROM {line} AS l
        WHERE l.queue_no = %(queue_no)s AND l.line_no = s.line_no
        OFFSET 0
    ) AS told
    CROSS JOIN LATERAL (
        SELECT s.is_retried IS NOT TRUE AND told.expected IS DISTINCT FROM s.fingerprint AS is_so
    ) AS moved
)
