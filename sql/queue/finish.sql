-- Finish a queue whose last batch is done. Its state follows from the batches (sync_queue_status).
-- Caller: queue.queues.finish, after a batch has committed (inside it, two workers would both finish
--   the queue or none would) and after hold.sql: the snapshot must show what was opened again.
-- Index: sync_queue_pkey, sync_batch_open_idx, sync_line_written_idx, sync_conflict_record_idx.
-- A paused queue stays where it is: whoever resumes it finds it as it was.
UPDATE sync_queue AS q
SET stage = 'finished', finished_at = now(), updated_at = now(), last_process_date = now(),
    stage_lease_until = NULL,
    -- What a preview shows has not happened: nobody has to act on it.
    -- Nor again on what somebody skipped, while it is the same.
    is_action_required = (tally.n_failed > tally.n_skipped OR q.is_complete IS FALSE)
        AND NOT q.filters ? 'preview',
    action_required_reason = nullif(concat_ws('; ',
        CASE WHEN tally.n_failed > 0 THEN
            CASE WHEN tally.n_failed = tally.n_total AND q.unchanged_count = 0
                THEN '100 %% failures, check the store and the mapping: ' ELSE '' END
            || tally.n_failed || ' of ' || tally.n_total || ' lines failed: ' || tally.reasons
            || CASE WHEN tally.n_skipped > 0
                THEN ' (' || tally.n_skipped || ' of them skipped by a person)' ELSE '' END END,
        CASE WHEN q.is_complete IS FALSE THEN q.extract_note ->> 'incomplete' END), '')
FROM (
    SELECT
        coalesce(sum(n_failed), 0) AS n_failed, coalesce(sum(n_total), 0) AS n_total,
        (SELECT string_agg(n || ' x ' || error_code || kind, ', ' ORDER BY n DESC, error_code)
         FROM (SELECT error_code, count(*) AS n,
                   CASE WHEN error_code LIKE ANY ('{sql.%%,queue.%%}')
                        THEN ' (retries exhausted)' ELSE '' END AS kind
               FROM sync_line
               WHERE queue_no = %(queue_no)s AND state = 'failed' AND state IS NOT NULL
               GROUP BY error_code) AS by_code) AS reasons,
        (SELECT count(*)
         FROM sync_line AS l
         JOIN sync_queue AS own ON own.queue_no = l.queue_no
         WHERE l.queue_no = %(queue_no)s AND l.state = 'failed' AND l.state IS NOT NULL
           AND EXISTS (
               SELECT FROM sync_conflict AS skipped
               WHERE skipped.connection_id = own.connection_id AND skipped.entity = own.entity
                 AND skipped.external_id = l.external_id AND skipped.state = 'skipped'
                 AND skipped.details ->> 'code' = l.error_code
                 AND skipped.details ->> 'content_hash' = l.content_hash::text)) AS n_skipped
    FROM sync_batch WHERE queue_no = %(queue_no)s
) AS tally
WHERE q.queue_no = %(queue_no)s AND q.stage = 'apply' AND NOT q.is_paused
  AND NOT EXISTS (
      SELECT FROM sync_batch AS b
      WHERE b.queue_no = q.queue_no AND b.state IN ('ready', 'processing'))
RETURNING q.queue_no
