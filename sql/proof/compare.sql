-- Both sides of a proof as sets: how many records of each kind, and a digest of either side.
-- Caller: stages.proof, in a transaction under enqueue/as_sets.sql. Composed per entity:
--   proof/sides.sql. Index: as there.
-- The digest of a set: the sums of both halves of md5(id, content hash) over its records. A sum needs no
--   order and no memory; and unlike an exclusive or it does not lose two equal records against each
--   other. Sums of bigint are exact (numeric).
-- Where both sides have the same content they have the same share in the digest: made once.
SELECT side.kind, side.reason,
    count(side.theirs) AS n_theirs, count(side.ours) AS n_ours,
    coalesce(sum(('x' || left(their.element, 16))::bit(64)::bigint), 0) AS high_theirs,
    coalesce(sum(('x' || right(their.element, 16))::bit(64)::bigint), 0) AS low_theirs,
    coalesce(sum(('x' || left(our.element, 16))::bit(64)::bigint)
        FILTER (WHERE side.kind <> 'same'), 0) AS high_ours,
    coalesce(sum(('x' || right(our.element, 16))::bit(64)::bigint)
        FILTER (WHERE side.kind <> 'same'), 0) AS low_ours
FROM (
{sides}
) AS side
CROSS JOIN LATERAL (
    SELECT md5(side.external_id || ' ' || side.theirs) AS element OFFSET 0
) AS their
CROSS JOIN LATERAL (
    SELECT CASE WHEN side.kind <> 'same' THEN md5(side.external_id || ' ' || side.ours) END
        AS element
    OFFSET 0
) AS our
GROUP BY side.kind, side.reason
