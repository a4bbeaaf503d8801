-- What a preview shows of each decided line, and a fingerprint of it that moves when any of it does.
-- Used by: queue/preview.sql, and queue/checked.sql, which holds what is decided now against it.
-- Composed per entity: the key by which the record is found here afterwards.
-- Why a hash of each field: to name those that moved since, without their values once more.
shown AS MATERIALIZED (
    SELECT d.*, difference.before,
        CASE d.result WHEN 'created' THEN d.final ELSE difference.after END AS after,
        jsonb_strip_nulls(jsonb_build_object(
            'result', d.result, 'code', d.code,
            'fields', CASE d.result WHEN 'created' THEN made.fields ELSE difference.fields END))
            AS telling,
        CASE WHEN d.result <> 'failed' THEN {key} END AS shown_key,
        md5(jsonb_build_array(d.result, d.current_id, d.code, made.fields, difference.before,
            difference.after)::text)::uuid AS fingerprint
    FROM decided AS d
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(new.key, new.value) AS after,
            jsonb_object_agg(new.key, d.ours -> new.key) AS before,
            jsonb_object_agg(new.key,
                left(md5(jsonb_build_array(d.ours -> new.key, new.value)::text), 8)) AS fields
        FROM jsonb_each(d.final) AS new
        WHERE new.value <> d.ours -> new.key
    ) AS difference ON d.result = 'updated'
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(new.key, left(md5(new.value::text), 8)) AS fields
        FROM jsonb_each(d.final) AS new
    ) AS made ON d.result = 'created'
    OFFSET 0
)
