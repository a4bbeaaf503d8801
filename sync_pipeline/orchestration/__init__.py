"""The Dagster shell around the stages: when they run, and how people see that they did."""
