"""Read side of the ledger, and what the archive covers: plain SQL, for the command line and for the STAC API.

Queries number their parameters (`$1`), as both drivers understand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from hashlib import md5
from posixpath import dirname
from typing import Any

import psycopg

from stac.database import transaction
from stac.settings import Settings
from stac.states import STATES

COUNTS = "SELECT state, count(*) FROM sen2extract.ledger GROUP BY state"
KNOWN = "SELECT EXISTS (SELECT FROM sen2extract.ledger WHERE md5(id) = $1)"
PRODUCTS = """
SELECT id, state, attempts, reason, source, fingerprint, timings, items, first_seen, updated
FROM sen2extract.ledger
WHERE ($1::text IS NULL OR state = $1)
AND ($2::text IS NULL OR (updated, id) < (SELECT updated, id FROM sen2extract.ledger WHERE md5(id) = $2))
ORDER BY updated DESC, id DESC LIMIT $3
"""
COVERAGE = """
WITH scenes AS (
  SELECT pgstac.to_text(content->'properties'->'grid:code') AS code, datetime FROM pgstac.items
  WHERE collection = $1 AND (content->'properties'->'deprecated') IS DISTINCT FROM 'true'::jsonb
  AND ($2::text IS NULL OR pgstac.to_text(content->'properties'->'grid:code') = 'MGRS-' || $2)
), page AS (
  SELECT DISTINCT code FROM scenes WHERE $3::text IS NULL OR code > 'MGRS-' || $3 ORDER BY code LIMIT $4
)
SELECT substr(code, 6) AS tile, to_char(datetime AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS count,
  min(datetime) AS first, max(datetime) AS last
FROM scenes JOIN page USING (code) GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class Product:
    """A row of the ledger. `timings` are seconds by step of the last attempt, `items` as `collection/id`."""

    id: str
    state: str
    attempts: int
    reason: str | None
    source: str
    fingerprint: str | None
    timings: Mapping[str, float]
    items: Sequence[str]
    first_seen: datetime
    updated: datetime

    @property
    def token(self) -> str:
        """What names the product for paging, without telling its source."""
        return md5(self.id.encode(), usedforsecurity=False).hexdigest()

    def as_dict(self, *, private: bool = False) -> dict[str, Any]:
        """For JSON. Where in its machine's file system a product lies is `private`."""
        shown = asdict(self) | {"first_seen": self.first_seen.isoformat(), "updated": self.updated.isoformat()}
        if not private:
            folder = dirname(shown.pop("source"))
            for name in ("id", "reason"):
                shown[name] = shown[name] and (shown[name].replace(f"{folder}/", "") if folder else shown[name])
        return shown


def products(
    settings: Settings, *, state: str | None = None, token: str | None = None, limit: int = 50
) -> list[Product]:
    """Products, the one last changed first; after the one whose `token` is given, if any."""
    return [product(row) for row in fetch(settings, PRODUCTS, (state, token, limit))]


def counts(settings: Settings) -> dict[str, int]:
    """How many products are in each state, in the order of a product's life."""
    return counted(fetch(settings, COUNTS, ()))


def coverage(
    settings: Settings, collection: str, *, tile: str | None = None, after: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """What a collection holds, by tile and month (UTC), in the order of tiles; superseded products do not count."""
    return covered(fetch(settings, COVERAGE, (collection, tile, after, limit)), datetime.now(UTC))


def product(row: Sequence[Any]) -> Product:
    """A product from a row of `PRODUCTS`."""
    return Product(**dict(zip((field.name for field in fields(Product)), row, strict=True)))


def counted(rows: Iterable[Sequence[Any]]) -> dict[str, int]:
    """States and counts from the rows of `COUNTS`."""
    found = {row[0]: row[1] for row in rows}
    return {state: found[state] for state in STATES if state in found}


def covered(rows: Iterable[Sequence[Any]], now: datetime) -> list[dict[str, Any]]:
    """Tiles from the rows of `COVERAGE`: counts, first and last date, and `lag_days` from the last until now."""
    tiles: dict[str, dict[str, Any]] = {}
    for tile, month, count, first, last in rows:
        found = tiles.setdefault(tile, {"tile": tile, "count": 0, "first": first.isoformat(), "months": []})
        found["count"] += count
        found |= {"last": last.isoformat(), "lag_days": round((now - last).total_seconds() / 86400, 1)}
        found["months"].append({"month": month, "count": count, "first": first.isoformat(), "last": last.isoformat()})
    return list(tiles.values())


def fetch(settings: Settings, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows of a query with numbered parameters; raises `CatalogError` where the database is not made ready."""
    with transaction(settings, None, "the status of the archive") as tx, psycopg.RawCursor(tx) as cursor:
        return cursor.execute(query, parameters).fetchall()
