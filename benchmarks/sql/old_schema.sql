-- The old service's tables, after its contract: one queue row with counters, one row per line with
-- its state, and a row-level trigger that counts every state anew whenever a line changes.
-- In its favour: one pass counts all five states, and every look-up it makes has an index.
CREATE TABLE old_queue (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id text NOT NULL,
    queue_name text NOT NULL,
    state text NOT NULL DEFAULT 'draft',
    total_count integer NOT NULL DEFAULT 0,
    draft_count integer NOT NULL DEFAULT 0,
    processing_count integer NOT NULL DEFAULT 0,
    done_count integer NOT NULL DEFAULT 0,
    failed_count integer NOT NULL DEFAULT 0,
    cancelled_count integer NOT NULL DEFAULT 0,
    process_count integer NOT NULL DEFAULT 0,
    progress numeric NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_process_date timestamptz
);
CREATE TABLE old_queue_line (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    queue_id uuid NOT NULL REFERENCES old_queue (id),
    org_id text NOT NULL,
    woo_customer_id bigint NOT NULL,
    customer_data jsonb NOT NULL,
    state text NOT NULL DEFAULT 'draft',
    process_count integer NOT NULL DEFAULT 0,
    error_count integer NOT NULL DEFAULT 0,
    error_message text,
    last_error_timestamp timestamptz,
    result_customer_id uuid,
    was_update boolean,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_process_date timestamptz,
    UNIQUE (queue_id, woo_customer_id)
);
CREATE INDEX old_queue_line_state_idx ON old_queue_line (queue_id, state);
CREATE TABLE old_activity (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    queue_id uuid NOT NULL REFERENCES old_queue (id),
    queue_line_id uuid REFERENCES old_queue_line (id),
    org_id text NOT NULL,
    activity_type text NOT NULL,
    status text NOT NULL,
    message text NOT NULL,
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX old_activity_queue_idx ON old_activity (queue_id, created_at);
CREATE TABLE old_customer (LIKE customer INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE old_customer ADD PRIMARY KEY (id);
CREATE INDEX old_customer_email_idx ON old_customer (org_id, lower(email));

CREATE FUNCTION old_recount() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE old_queue AS q
    SET (total_count, draft_count, processing_count, done_count, failed_count, cancelled_count) = (
            SELECT count(*),
                count(*) FILTER (WHERE l.state = 'draft'),
                count(*) FILTER (WHERE l.state = 'processing'),
                count(*) FILTER (WHERE l.state = 'done'),
                count(*) FILTER (WHERE l.state = 'failed'),
                count(*) FILTER (WHERE l.state = 'cancelled')
            FROM old_queue_line AS l WHERE l.queue_id = NEW.queue_id),
        updated_at = now()
    WHERE q.id = NEW.queue_id;
    RETURN NULL;
END $$;
CREATE TRIGGER old_recount AFTER UPDATE ON old_queue_line
    FOR EACH ROW EXECUTE FUNCTION old_recount();
