-- Both sides of a proof as sets: how many records of each kind, and a digest of either side.
-- Caller: stages.proof, in a transaction under proof/as_sets.sql. Composed per entity:
--   proof/sides.sql. Index: as there.
-- The digest of a set: the sums of both halves of md5(id, content hash) over its records. A sum needs no
--   order and no memory; and unlike an exclusive or it does not lose two equal records against each
--   other. Sums of bigint are exact (numeric).
-- Why OFFSET 0: an element is made once, not once for each half.
-- Where both sides have the same content they have the same share in the digest: made once.
SELECT element.kind, element.reason,
    count(element.theirs) AS n_theirs, count(element.ours) AS n_ours,
    coalesce(sum(('x' || left(element.their, 16))::bit(64)::bigint), 0) AS high_theirs,
    coalesce(sum(('x' || right(element.their, 16))::bit(64)::bigint), 0) AS low_theirs,
    coalesce(sum(('x' || left(element.our, 16))::bit(64)::bigint)
        FILTER (WHERE element.kind <> 'same'), 0) AS high_ours,
    coalesce(sum(('x' || right(element.our, 16))::bit(64)::bigint)
        FILTER (WHERE element.kind <> 'same'), 0) AS low_ours
FROM (
    SELECT side.kind, side.reason, side.theirs, side.ours,
        md5(side.external_id || ' ' || side.theirs) AS their,
        CASE WHEN side.kind <> 'same' THEN md5(side.external_id || ' ' || side.ours) END AS our
    FROM (
{sides}
    ) AS side
    OFFSET 0
) AS element
GROUP BY element.kind, element.reason
