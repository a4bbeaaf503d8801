-- depends: 0016_changes
-- What a preview keeps of each of its lines.

-- What it showed, beside the fingerprint of it (`expected`): {"result", "key", "fields"}. Key: by which
-- the record is found here afterwards; fields: those that change, each with a hash of before and
-- after, to name those that moved since. NULL: nothing was shown.
ALTER TABLE sync_line ADD COLUMN IF NOT EXISTS shown jsonb;
-- Who has a key once everything that a preview shows has happened.
CREATE INDEX IF NOT EXISTS sync_line_shown_idx
    ON sync_line (queue_no, (shown ->> 'key')) WHERE shown IS NOT NULL;
