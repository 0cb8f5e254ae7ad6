"""The ledger's write side: what happened to each product, and who is at it.

A product is `seen` (and, where a provider offers it, `downloading`, `downloaded`: see `ingest.downloads`), then
`converting` under a lease, then `published`, `failed` (worth another try) or `invalid` (not,
until its files change). `published` and `superseded` say what the catalogue holds, so that a later attempt that fails
only leaves its reason there. `removed` is what the catalogue held once (see `ingest.removed`).

A lease is a row that says who and until when, and a lock of PostgreSQL that ends with the worker's connection: a killed
worker hinders nobody, and one that hangs only until its lease ends. The final state is written in the transaction that
publishes the items.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, LiteralString
from uuid import uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.errors import BusyError
from stac.collections import COLLECTION_IDS
from stac.database import Connection, only_one, transaction
from stac.errors import NameFormatError
from stac.naming import ProductName
from stac.settings import Settings

LEASE = timedelta(hours=1)
"""Longer than the largest product takes on a slow machine."""

LOCKS = 0x53324C47
"""The seed of the numbers of products' locks: "S2LG"."""

_ENTRY = "id, state, reason, source, fingerprint, inventory, items, removed, updated, refused"

# What only a provider has goes by its address there, and what Sen2Cor failed at is not the product's own entry.
_ON_DISK = "(offer IS NULL OR source <> (offer->>'source') || ':' || id) AND NOT starts_with(id, 'sen2cor:')"
# In use, or superseded with all its items: what the catalogue says of the products it holds that nobody is at.
_SETTLE = """
UPDATE sen2extract.ledger AS l
SET state = h.state, updated = now() FROM (
  SELECT id, min(CASE content->'properties'->'deprecated' WHEN 'true' THEN 'superseded' ELSE 'published' END) AS state
  FROM pgstac.items WHERE collection = ANY(%(collections)s) AND id = ANY(%(ids)s) GROUP BY id
) AS h WHERE h.id = l.id AND l.state NOT IN ('converting', 'downloading') AND l.state <> h.state
"""
_CLAIM = """
INSERT INTO sen2extract.ledger AS l (id, state, attempts, owner, lease_until, source, fingerprint, inventory)
SELECT %(id)s, %(state)s, 1, %(owner)s, now() + %(lease)s, %(source)s, %(fingerprint)s, %(inventory)s
WHERE %(free)s OR EXISTS (SELECT FROM sen2extract.ledger WHERE id = %(id)s AND lease_until < now())
ON CONFLICT (id) DO UPDATE SET
  state = excluded.state, attempts = l.attempts + 1, owner = excluded.owner, lease_until = excluded.lease_until,
  reason = NULL, source = excluded.source, fingerprint = excluded.fingerprint, inventory = excluded.inventory,
  refused = NULL, updated = now()
WHERE %(free)s OR l.lease_until < now()
RETURNING attempts
"""
# A product that was seen, or refused, before its name was known.
_NAMED = "DELETE FROM sen2extract.ledger WHERE id = %s AND id <> %s"
_REFUSE = """
INSERT INTO sen2extract.ledger AS l (id, state, attempts, reason, source, inventory, refused)
VALUES (%(id)s, %(state)s, 1, %(reason)s, %(source)s, %(inventory)s, CASE WHEN %(state)s = 'invalid' THEN now() END)
ON CONFLICT (id) DO UPDATE SET
  state = excluded.state, attempts = l.attempts + 1, reason = excluded.reason, source = excluded.source,
  inventory = excluded.inventory, refused = excluded.refused, owner = NULL, lease_until = NULL, updated = now()
WHERE l.owner IS NULL OR l.lease_until < now()
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A product as an attempt meets it. `inventory` tells whether its files have changed, where that can be told."""

    id: str
    source: str
    fingerprint: str | None = None
    inventory: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the ledger knows of a product; `refused` is when the files of `inventory` were found invalid."""

    id: str
    state: str
    reason: str | None
    source: str
    fingerprint: str | None
    inventory: str | None
    items: Sequence[str] = ()
    removed: Sequence[str] = ()
    updated: datetime | None = None
    refused: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to work on a product; `attempt` counts from 1."""

    id: str
    owner: str
    attempt: int


def name_of(source: str) -> str:
    """The product's name as its file tells it, else the source itself."""
    try:
        return str(ProductName.parse(Path(source).name))
    except NameFormatError:
        return source


def see(settings: Settings, sources: Iterable[str]) -> None:
    """Note products that were found; those known already, by their name or by their place, are left as they are."""
    found = {name_of(source): source for source in sources}
    with transaction(settings, None, "cannot note the products found") as tx:
        tx.execute(
            "INSERT INTO sen2extract.ledger (id, state, source) SELECT s.id, 'seen', s.source "
            "FROM unnest(%s::text[], %s::text[]) AS s (id, source) "
            "WHERE NOT EXISTS (SELECT FROM sen2extract.ledger AS l WHERE l.source = s.source) "
            "ORDER BY s.id ON CONFLICT DO NOTHING",
            (list(found), list(found.values())),
        )


def find(settings: Settings, product_id: str, source: str) -> Entry | None:
    """The entry of a product, by its id, else the latest of its source."""
    with transaction(settings, None, f"{product_id}: the ledger cannot be read") as tx:
        return (
            tx.cursor(row_factory=class_row(Entry))
            .execute(
                f"SELECT {_ENTRY} FROM sen2extract.ledger WHERE id = %(id)s OR source = %(source)s "  # noqa: S608
                "ORDER BY id = %(id)s DESC, updated DESC LIMIT 1",
                {"id": product_id, "source": source},
            )
            .fetchone()
        )


def entries(settings: Settings, ids: Iterable[str]) -> dict[str, Entry]:
    """The entries of products, by id; those that the ledger does not know are left out."""
    query = f"SELECT {_ENTRY} FROM sen2extract.ledger WHERE id = ANY(%s)"  # noqa: S608 - constants only
    with transaction(settings, None, "the ledger cannot be read") as tx:
        return {entry.id: entry for entry in tx.cursor(row_factory=class_row(Entry)).execute(query, (list(ids),))}


@contextmanager
def claimed(
    settings: Settings, subject: Subject, state: Literal["converting", "downloading"] = "converting"
) -> Iterator[Claim]:
    """The right to work on a product while the block lasts; raises `BusyError` if somebody else has it."""
    what = f"{subject.id}: cannot be claimed"
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
    with product_lock(settings, subject.id) as free:
        with transaction(settings, None, what) as tx:
            values = {**vars(subject), "state": state, "owner": owner, "lease": LEASE, "free": free}
            row = tx.execute(_CLAIM, values).fetchone()
            if row is None:
                raise BusyError(f"{subject.id}: another worker is at it{_whom(tx, subject.id)}")
            tx.execute(_NAMED, (subject.source, subject.id))
        yield Claim(id=subject.id, owner=owner, attempt=row[0])


def published(
    tx: Connection,
    claim: Claim,
    items: Iterable[str],
    changed: Iterable[str] = (),
    *,
    timings: Mapping[str, float],
    warning: str | None = None,
) -> None:
    """Say, in the transaction that publishes `items` (`collection/id`), that it is done; they are removed no longer.

    `changed` are the ids of all items that changed, so that what is superseded now is said to be.
    """
    tx.execute(
        "UPDATE sen2extract.ledger SET state = 'published', owner = NULL, lease_until = NULL, reason = %(reason)s, "
        "items = ARRAY(SELECT DISTINCT unnest(items || %(items)s::text[]) ORDER BY 1), timings = %(timings)s, "
        "removed = ARRAY(SELECT unnest(removed) EXCEPT SELECT unnest(%(items)s::text[]) ORDER BY 1), updated = now() "
        "WHERE id = %(id)s",
        {"reason": warning, "items": list(items), "timings": Jsonb(timings), "id": claim.id},
    )
    settle(tx, {claim.id, *changed})


def unfinished(
    settings: Settings,
    claim: Claim,
    state: Literal["failed", "invalid"],
    reason: str,
    timings: Mapping[str, float],
    *,
    files: bool = False,
) -> None:
    """End a claim without a product; what the catalogue holds of it from before stays said.

    `files`: it is the product's files that were looked at, and are what is invalid.
    """
    with transaction(settings, None, f"{claim.id}: the ledger cannot be told that it {state}") as tx:
        tx.execute(
            "UPDATE sen2extract.ledger SET state = %s, owner = NULL, lease_until = NULL, reason = %s, timings = %s, "
            "refused = CASE WHEN %s THEN now() END, updated = now() WHERE id = %s AND owner = %s",
            (state, reason, Jsonb(timings), files and state == "invalid", claim.id, claim.owner),
        )
        settle(tx, [claim.id])


def refused(settings: Settings, subject: Subject, state: Literal["failed", "invalid"], reason: str) -> None:
    """Note a product that could not even be opened."""
    with transaction(settings, None, f"{subject.id}: the ledger cannot be told that it is {state}") as tx:
        tx.execute(_REFUSE, {**vars(subject), "state": state, "reason": reason})
        settle(tx, [subject.id])


def refusals(settings: Settings, sources: Iterable[str]) -> dict[str, datetime]:
    """When each of these sources was found invalid, of those that were."""
    query = "SELECT source, updated FROM sen2extract.ledger WHERE state = 'invalid' AND source = ANY(%s)"
    with transaction(settings, None, "the ledger cannot be read") as tx:
        return dict(tx.execute(query, (list(sources),)).fetchall())


def sources(settings: Settings, ids: Iterable[str]) -> dict[str, str]:
    """The sources of products, by id; those that the ledger does not know, or only as an offer, are left out."""
    return _sources(settings, "id = ANY(%s)", list(ids))


def sources_in_state(settings: Settings, state: str) -> dict[str, str]:
    """The sources of all products in a state, by id; those only offered by a provider are left out."""
    return _sources(settings, "state = %s", state)


def named(settings: Settings, subject: Subject) -> None:
    """Strike what was noted of a product under its place, before its name was known: it has its entry."""
    if name_of(subject.source) != subject.id:
        with transaction(settings, None, f"{subject.id}: the ledger cannot be told where it lies too") as tx:
            tx.execute(_NAMED, (subject.source, subject.id))


def forget_attempt(tx: Connection, product_id: str) -> None:
    """Take back the attempt of a claim that found the product held: another worker had just published it."""
    tx.execute("UPDATE sen2extract.ledger SET attempts = greatest(1, attempts - 1) WHERE id = %s", (product_id,))


def settle(tx: Connection, ids: Iterable[str]) -> None:
    """Say of products that the catalogue holds whether they are superseded."""
    tx.execute(_SETTLE, {"ids": sorted(set(ids)), "collections": list(COLLECTION_IDS)})


def product_lock(settings: Settings, product_id: str) -> AbstractContextManager[bool]:
    """Hold a product's lock while the block lasts, if it is free: whether it was. It ends with its connection."""
    return only_one(settings, LOCKS, product_id)


def _sources(settings: Settings, condition: LiteralString, value: Any) -> dict[str, str]:
    query = f"SELECT id, source FROM sen2extract.ledger WHERE {condition} AND {_ON_DISK} ORDER BY id"  # noqa: S608
    with transaction(settings, None, "the ledger cannot be read") as tx:
        return dict(tx.execute(query, (value,)).fetchall())


def _whom(tx: Connection, product_id: str) -> str:
    row = tx.execute("SELECT owner, updated FROM sen2extract.ledger WHERE id = %s", (product_id,)).fetchone()
    return f": {row[0]}, since {row[1]:%Y-%m-%d %H:%M:%S} UTC" if row and row[0] else ""
