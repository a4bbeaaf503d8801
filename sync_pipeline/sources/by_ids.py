"""Reading given records, whatever one of them does.

Belongs here: closing in on a record that cannot be served by its id. Does not: ranges of positions
(paging.py), one request (the sources).
"""

from collections.abc import Sequence

from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.protocol import Listing, PageRequest, Record, Source, UnreadableRecord

_NO_PLACE = -1
_PROBE_ATTEMPTS = 2


def read_all_by_ids(
    source: Source, listing: Listing, ids: Sequence[str]
) -> list[Record | UnreadableRecord]:
    """Read the records with these ids; one that is never served is named with the reason.

    What fails is halved until the record is alone: about 2 log2(n) calls for a bad one among n.
    Records that are gone are left out. An unreadable one has no place in the listing: offset -1.

    Raises:
        SyncError: the store is down or refuses us.
    """
    try:
        return list(source.read_by_ids(listing, ids))
    except PageFaultError as raised:
        fault = raised
    if len(ids) > 1:
        middle = len(ids) // 2
        return [
            *read_all_by_ids(source, listing, ids[:middle]),
            *read_all_by_ids(source, listing, ids[middle:]),
        ]
    # Only a store that answers elsewhere is right in that this record is bad.
    source.read(listing, PageRequest(0, 1), ids_only=True, attempts=_PROBE_ATTEMPTS)
    return [UnreadableRecord(_NO_PLACE, ids[0], fault.code, fault.message)]
