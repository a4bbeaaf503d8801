-- The records on which both sides of a proof differ, in no order.
-- Caller: stages.proof, streamed, only where proof/compare.sql counted any.
-- Composed per entity: proof/sides.sql. Index: as there.
SELECT side.kind, side.external_id, NULL AS field, side.theirs::text AS theirs,
    side.ours::text AS ours, side.reason
FROM (
{sides}
) AS side
WHERE side.kind <> 'same'
