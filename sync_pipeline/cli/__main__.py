"""`python -m sync_pipeline.cli`: the same as the command `sync-pipeline`."""

from sync_pipeline.cli.app import main

main()
