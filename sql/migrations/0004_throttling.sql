-- depends: 0002_operations
-- How often each remote system may be asked, and whether it is asked at all: agreed on by all
-- processes through these two tables. Times are of this database's clock, never of a host's.

-- The token bucket of a connection, as one instant (GCRA): up to when its tokens are given out.
-- Every request updates its row: half-empty pages let the new version stay beside the old one
-- without touching an index.
CREATE TABLE IF NOT EXISTS sync_throttle (
    connection_id bigint PRIMARY KEY REFERENCES sync_connection (connection_id),
    org_id sync_org_id NOT NULL,
    next_at timestamptz NOT NULL,
    -- The remote system asked everybody to stay away until then.
    blocked_until timestamptz,
    -- Since then its tokens are kept here, because Redis is gone.
    redis_gone_at timestamptz
) WITH (fillfactor = 50);

-- The circuit breaker of a connection.
--   closed -> open: too many failures in a row; open -> half_open: the wait is over, one probe
--   goes; half_open -> closed: it was answered; half_open -> open: it was not, a longer wait.
CREATE TABLE IF NOT EXISTS sync_circuit (
    connection_id bigint PRIMARY KEY REFERENCES sync_connection (connection_id),
    org_id sync_org_id NOT NULL,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    -- In a row, of all processes, without a success in between; failing_since is the first's time.
    failure_count integer NOT NULL DEFAULT 0 CHECK (failure_count >= 0),
    failing_since timestamptz,
    -- Times in a row that it opened without closing: the wait grows with it.
    open_count integer NOT NULL DEFAULT 0 CHECK (open_count >= 0),
    opened_at timestamptz,
    open_until timestamptz,
    -- Grows with each probe, so that a late one is told from the current one.
    probe_no bigint NOT NULL DEFAULT 0,
    probe_until timestamptz,
    last_error_code text,
    last_error text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'closed') = (opened_at IS NULL)),
    CHECK ((state = 'closed') = (open_until IS NULL)),
    CHECK ((state = 'half_open') = (probe_until IS NOT NULL))
) WITH (fillfactor = 50);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sync_throttle', 'sync_circuit'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_own_organization ON %I', name);
        EXECUTE format('DROP POLICY IF EXISTS sync_every_organization ON %I', name);
        EXECUTE format('CREATE POLICY sync_own_organization ON %I TO sync_worker USING (org_id = '
            '(SELECT nullif(current_setting(''app.org_id'', true), '''')::sync_org_id))', name);
        EXECUTE format(
            'CREATE POLICY sync_every_organization ON %I FOR SELECT TO sync_control USING (true)',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON sync_throttle, sync_circuit TO sync_worker;
GRANT SELECT ON sync_throttle, sync_circuit TO sync_control;
