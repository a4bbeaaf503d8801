"""The four stages of a sync, in the order of the data: extract, enqueue, upsert, reconcile.

Each is a plain function over a database; PostgreSQL stands between them, so each can be stopped,
repeated and run alone. None of them knows of Dagster.
"""
