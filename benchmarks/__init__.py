"""Measurements: what the pipeline costs beside what PostgreSQL and a plain download can do.

Belongs here: one module per subject, `python -m benchmarks` in front of them. Does not: tests of
behaviour (sync_pipeline_tests/), numbers that people quote (docs/performance.md).

Every number with a target is a ratio of two things measured in turns in the same run, because
absolute figures move with the machine.
"""
