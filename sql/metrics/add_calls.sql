-- Add the calls that one process made since it last told.
-- Caller: sources.call_stats, every few seconds and when a source is closed. Index: the key.
-- Why one JSON parameter: a handful of rows in one round trip.
-- Why ordered: processes that read the same store would otherwise lock its rows crosswise.
INSERT INTO sync_call_stat AS stat (
    connection_id, code, org_id, calls, seconds, waited_seconds, buckets)
SELECT %(connection_id)s, code, %(org_id)s::sync_org_id, calls, seconds, waited_seconds, buckets
FROM jsonb_to_recordset(%(outcomes)s) AS outcome (
    code text, calls bigint, seconds double precision, waited_seconds double precision,
    buckets bigint[])
ORDER BY code
ON CONFLICT (connection_id, code) DO UPDATE
SET calls = stat.calls + EXCLUDED.calls, seconds = stat.seconds + EXCLUDED.seconds,
    waited_seconds = stat.waited_seconds + EXCLUDED.waited_seconds,
    buckets = (
        SELECT array_agg(coalesce(before, 0) + coalesce(added, 0) ORDER BY place)
        FROM unnest(stat.buckets, EXCLUDED.buckets) WITH ORDINALITY AS bucket (before, added, place))
