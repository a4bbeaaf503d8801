"""The durable queue in PostgreSQL: leases, outcomes, states, retries, progress."""
