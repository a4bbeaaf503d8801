-- depends: 0016_changes
-- What a preview keeps of each of its lines.
ALTER TABLE sync_line
    -- What it showed, beside the fingerprint of it (`expected`): {"result", "code", "fields"}. Fields:
    -- those that change, each with a hash of before and after, to name those that moved since.
    -- NULL: nothing was shown.
    ADD COLUMN IF NOT EXISTS shown jsonb,
    -- By which key the record is found here once that has happened. A column, for under row-level
    -- security no index serves an expression that is not leakproof.
    ADD COLUMN IF NOT EXISTS shown_key text;
CREATE INDEX IF NOT EXISTS sync_line_shown_idx
    ON sync_line (queue_no, shown_key) WHERE shown_key IS NOT NULL;
