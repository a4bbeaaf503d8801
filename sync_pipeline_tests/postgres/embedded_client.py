"""A process that uses an embedded server: says `ready`, stays until its input closes."""

import sys
from pathlib import Path

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.embedded import ensure_embedded

try:
    sys.stdout.write(f"ready {ensure_embedded(Path(sys.argv[1]))}\n")
except SyncError as error:
    sys.stdout.write(f"{error.code} {error}\n")
sys.stdout.flush()
sys.stdin.read()
