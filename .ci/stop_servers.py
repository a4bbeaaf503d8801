"""Stop the embedded servers of this checkout, so that their files can be removed."""

from pathlib import Path

from sync_pipeline.postgres.embedded import stop_embedded

for data in Path(".local").glob("**/postgres/keeper.lock"):
    stop_embedded(data.parent.parent)
