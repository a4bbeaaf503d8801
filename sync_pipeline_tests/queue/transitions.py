"""Every change of a line's or a queue's state, as the database makes it, beside what is allowed.

Triggers compare the state that people see (the views) with the one seen before, for the rows that a
statement touched, when it has ended. What docs/states.md lists is allowed, nothing else.
"""

import re
from pathlib import Path

_DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "states.md"

_WATCH = """
CREATE TABLE seen_line (
    queue_no bigint, line_no integer, state text, PRIMARY KEY (queue_no, line_no));
CREATE TABLE seen_queue (queue_no bigint PRIMARY KEY, state text);
CREATE TABLE transition (kind text, old text, new text, queue_no bigint, line_no integer);

CREATE FUNCTION note_lines(q bigint, lowest integer, highest integer) RETURNS void
LANGUAGE sql AS $$
    WITH changed AS MATERIALIZED (
        SELECT l.line_no, s.state AS old, l.state AS new
        FROM sync_line_status AS l LEFT JOIN seen_line AS s
            ON s.queue_no = l.queue_no AND s.line_no = l.line_no
        WHERE l.queue_no = q AND l.line_no BETWEEN lowest AND highest
          AND s.state IS DISTINCT FROM l.state
    ),
    kept AS (
        INSERT INTO seen_line SELECT q, line_no, new FROM changed
        ON CONFLICT (queue_no, line_no) DO UPDATE SET state = EXCLUDED.state
    )
    INSERT INTO transition SELECT 'line', coalesce(old, '-'), new, q, line_no FROM changed
$$;

CREATE FUNCTION note_queue(q bigint) RETURNS void
LANGUAGE sql AS $$
    WITH changed AS MATERIALIZED (
        SELECT s.state AS old, n.state AS new
        FROM sync_queue_status AS n LEFT JOIN seen_queue AS s ON s.queue_no = n.queue_no
        WHERE n.queue_no = q AND s.state IS DISTINCT FROM n.state
    ),
    kept AS (
        INSERT INTO seen_queue SELECT q, new FROM changed
        ON CONFLICT (queue_no) DO UPDATE SET state = EXCLUDED.state
    )
    INSERT INTO transition SELECT 'queue', coalesce(old, '-'), new, q, NULL FROM changed
$$;

CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_ARGV[0] = 'line' THEN
        PERFORM note_lines(NEW.queue_no, NEW.line_no, NEW.line_no);
    ELSIF TG_ARGV[0] = 'batch' THEN
        PERFORM note_lines(NEW.queue_no, NEW.first_line, NEW.last_line);
    ELSE
        PERFORM note_queue(NEW.queue_no);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER watch AFTER UPDATE ON sync_line FOR EACH ROW EXECUTE FUNCTION watch('line');
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON sync_batch
    FOR EACH ROW EXECUTE FUNCTION watch('batch');
CREATE TRIGGER watch AFTER INSERT OR UPDATE ON sync_queue
    FOR EACH ROW EXECUTE FUNCTION watch('queue');
"""

_MISCOUNTED = """
SELECT b.batch_no, b.state, b.pass, b.n_total, b.n_done, b.n_failed, b.n_cancelled,
    array_agg(l.line_no || ' ' || l.state ORDER BY l.line_no) AS lines
FROM sync_batch AS b
LEFT JOIN sync_line_status AS l ON l.queue_no = b.queue_no AND l.batch_no = b.batch_no
WHERE b.queue_no = %(queue_no)s
GROUP BY b.queue_no, b.batch_no
HAVING (b.n_total, b.n_done, b.n_failed, b.n_cancelled) IS DISTINCT FROM (
    count(l.line_no), count(*) FILTER (WHERE l.state = 'done'),
    count(*) FILTER (WHERE l.state = 'failed'), count(*) FILTER (WHERE l.state = 'cancelled'))
"""


def watch_transitions(database, further=""):
    """Note every transition of this database from now on; `further` is set up once with it."""
    with database.owner() as conn:
        found = conn.execute("SELECT to_regclass('transition') IS NULL AS is_new").fetchone()
        if found["is_new"]:
            conn.execute(_WATCH + further)


def allowed_transitions():
    """(kind, from, to) of both tables of docs/states.md."""
    allowed = set()
    for kind in ("line", "queue"):
        text = _DOCUMENT.read_text(encoding="utf-8")
        table = text.split(f"| {kind} from | to | when |")[1].split("\n\n")[0]
        found = re.findall(r"^\| (\S+) \| (\w+) \|", table, flags=re.MULTILINE)
        allowed |= {(kind, old.replace("\N{EN DASH}", "-"), new) for old, new in found}
    return allowed


def transitions_seen(database):
    """(kind, from, to) of everything that happened."""
    with database.owner() as conn:
        found = conn.execute("SELECT DISTINCT kind, old, new FROM transition").fetchall()
    return {(one["kind"], one["old"], one["new"]) for one in found}


def forget_transitions(database):
    """Begin to note anew; what state each line and queue is in stays known."""
    with database.owner() as conn:
        conn.execute("TRUNCATE transition")


def miscounted_batches(database, queue):
    """Batches whose counters are not those of their lines."""
    with database.organization(queue.org_id) as conn:
        return conn.execute(_MISCOUNTED, {"queue_no": queue.queue_no}).fetchall()
