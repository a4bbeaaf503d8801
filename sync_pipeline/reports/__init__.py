"""Reports for people on what was synced: read in sets, shaped, and rendered as files.

Belongs here: figures of a store (gathering.py, shaping.py) and their forms CSV and HTML. Does not:
the terminal (cli/report.py), how syncs stand (queue/progress.py).
"""
