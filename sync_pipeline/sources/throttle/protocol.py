"""What a client of a remote system asks before a request, and tells after it.

Belongs here: the forms that clients, throttles and recorders of calls agree on. Does not: how
tokens are shared (bucket.py), when a circuit opens (circuit.py), what one system answers.
"""

from collections.abc import Callable

from sync_pipeline.sources.connections import Connection

OnCall = Callable[[Connection, float, str | None], None]
"""Told after each HTTP request, retries included, from the thread that asked: the connection, the
seconds until its answer was read (waits before it left out), and the stable code of what went
wrong, None when the answer was usable. Refusals by an open circuit are no request."""
