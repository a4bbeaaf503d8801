-- Whether a queue removed rows. Caller: entities.references.release_references.
-- Index: sync_batch_pkey.
SELECT EXISTS (
    SELECT FROM sync_batch WHERE queue_no = %(queue_no)s AND n_deleted > 0) AS has_removed
