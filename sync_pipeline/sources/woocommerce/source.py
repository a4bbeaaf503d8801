"""A store as a Source: ranges of id-ordered records, verified.

Belongs here: what is asked of a listing, and whether the answer is that. Does not: HTTP
(client.py), reading ranges in parallel (sources/paging.py), what a record means (sql/projections/).

WooCommerce ignores parameters that it does not know, silently and with 200: what came back is
held against what was asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from sync_pipeline.sources.protocol import Listing, Page, PageRequest, Record
from sync_pipeline.sources.woocommerce.answers import Answer
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.errors import MalformedResponseError, RecordMissingError

MOST_PER_PAGE = 100
_BY_ID = {"orderby": "id", "order": "asc"}  # the defaults are not unique and drift between pages


class WooCommerceSource:
    """Reads one store through a client; implements sources.protocol.Source."""

    def __init__(self, client: WooCommerceClient) -> None:
        self._client = client

    def read(
        self,
        listing: Listing,
        request: PageRequest,
        *,
        ids_only: bool = False,
        attempts: int | None = None,
    ) -> Page:
        """Read one range of at most 100 records; see Source.read."""
        fields = ("id",) if ids_only else listing.fields
        params = page_params(listing, request, fields)
        answer = self._client.get(listing.path, params, attempts=attempts)
        records = verified(answer.value, listing.path, fields, most=request.limit)
        _require_selected(records, listing)
        return Page(
            request=request,
            records=records,
            total=_total(answer),
            elapsed_seconds=answer.elapsed_seconds,
            noise=answer.noise,
        )

    def highest(self, listing: Listing) -> Page:
        """One record, the last by id; see Source.highest."""
        first = PageRequest(0, 1)
        params = page_params(listing, first, ("id",)) | {"order": "desc"}
        answer = self._client.get(listing.path, params)
        records = verified(answer.value, listing.path, ("id",), most=1)
        _require_selected(records, listing)
        return Page(first, records, _total(answer), answer.elapsed_seconds, answer.noise)

    def read_by_ids(self, listing: Listing, ids: Sequence[str]) -> list[Record]:
        """Read the records with these ids, in id order, 100 a call; gone ones are left out.

        Raises as `read` does, and ValueError for an id that is no whole number.
        """
        wanted = sorted({int(external_id) for external_id in ids})
        records: list[Record] = []
        for chunk in _chunks(wanted, MOST_PER_PAGE):
            params = {
                **page_params(listing, PageRequest(0, MOST_PER_PAGE), listing.fields),
                "include": ",".join(map(str, chunk)),
            }
            answer = self._client.get(listing.path, params)
            found = verified(answer.value, listing.path, listing.fields, most=len(chunk))
            _require_selected(found, replace(listing, params=params))
            records.extend(found)
        return records

    def read_one(self, listing: Listing, external_id: str) -> Record | None:
        """Read one record by its path; see Source.read_one."""
        path = f"{listing.path}/{int(external_id)}"
        try:
            answer = self._client.get(path, {"_fields": ",".join(listing.fields)})
        except RecordMissingError:
            return None
        record = answer.value
        if not isinstance(record, dict) or record.get("id") != int(external_id):
            raise MalformedResponseError(f"{path}: the answer is not that record.")
        return {name: record[name] for name in ("id", *listing.fields) if name in record}

    def close(self) -> None:
        """Let go of sockets."""
        self._client.close()


def page_params(listing: Listing, request: PageRequest, fields: Sequence[str]) -> dict[str, str]:
    """The query for one range: `page` where the range is a page, else `offset`."""
    page, rest = divmod(request.offset, request.limit)
    place = {"offset": str(request.offset)} if rest else {"page": str(page + 1)}
    asked = {"per_page": str(request.limit), "_fields": ",".join(fields)}
    return {**listing.params, **_BY_ID, **asked, **place}


def verified(value: object, path: str, fields: Sequence[str], *, most: int) -> list[Record]:
    """The records of an answer, with the asked fields only.

    Raises:
        MalformedResponseError: no list of objects, too many, out of order, or a field is missing.
    """
    asked = list(dict.fromkeys(("id", *(name.split(".")[0] for name in fields))))
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise MalformedResponseError(f"{path}: the answer is not a list of records.")
    if len(value) > most:
        raise MalformedResponseError(
            f"{path}: {len(value)} records came where at most {most} were asked for."
        )
    for record in value:
        _require_fields(record, asked, path)
    ids = [record["id"] for record in value]
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise MalformedResponseError(f"{path}: the records are not in the order of their ids.")
    return [{name: record[name] for name in asked} for record in value]


def _require_fields(record: Mapping[str, Any], asked: Sequence[str], path: str) -> None:
    external_id = record.get("id")
    if not isinstance(external_id, int) or isinstance(external_id, bool) or external_id < 1:
        raise MalformedResponseError(f"{path}: a record has no id.")
    missing = [name for name in asked if name not in record]
    if missing:
        raise MalformedResponseError(
            f"{path}: record {external_id} lacks {', '.join(missing)}, which was asked for."
        )


def _require_selected(records: Sequence[Record], listing: Listing) -> None:
    """Refuse records that `include` or `email` leaves out; a filter may be ignored in silence.

    A role is not checked: an account may have several, and shows one.
    """
    include, email = listing.params.get("include"), listing.params.get("email")
    if include and not {record["id"] for record in records} <= set(map(int, include.split(","))):
        raise MalformedResponseError(
            f"{listing.path}: the store ignored `include` and sent other records."
        )
    if email and any(
        str(record.get("email", email)).casefold() != email.strip().casefold() for record in records
    ):
        raise MalformedResponseError(
            f"{listing.path}: the store ignored `email` and sent other records."
        )


def _total(answer: Answer) -> int | None:
    text = answer.headers.get("x-wp-total", "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _chunks(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
