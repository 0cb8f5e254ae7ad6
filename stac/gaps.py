"""What the archive lacks: dates that the satellites' rhythm leads one to expect, and products that are not derived yet.

A Sentinel-2 unit passes the same relative orbit every 10 days (143 orbits). What is held of a tile tells the days of
each unit and orbit; a day of that rhythm without any product is a gap. That is an expectation, no promise: a planned
acquisition may have been dropped. What retention took out is no gap.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from stac.collections import COLLECTION_IDS, INDICES, L1C, L2A
from stac.naming import ProductName
from stac.settings import Settings
from stac.status import fetch

Kind = Literal["acquisition", "l2a", "indices", "mask"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLLECTIONS = list(COLLECTION_IDS)
CYCLE = timedelta(days=10)

HELD = """
WITH scenes AS (
  SELECT pgstac.to_text(content->'properties'->'grid:code') AS code, collection, id,
    content->'assets'->'MASK' ? 'href' AS masked,
    content->'properties'->>'sen2extract:source' = 'sen2chain' AS imported, false AS gone
  FROM pgstac.items
  WHERE collection = ANY($1)
  AND (content->'properties'->'deprecated') IS DISTINCT FROM 'true'::jsonb
  AND ($2::text IS NULL OR pgstac.to_text(content->'properties'->'grid:code') = 'MGRS-' || $2)
  UNION ALL
  SELECT 'MGRS-' || substr(id, 40, 5), split_part(item, '/', 1), id, true, false, true
  FROM sen2extract.ledger, unnest(removed) AS item
  WHERE removed <> '{}' AND split_part(item, '/', 1) = ANY($1) AND ($2::text IS NULL OR substr(id, 40, 5) = $2)
), page AS (
  SELECT DISTINCT code FROM scenes WHERE $3::text IS NULL OR code > 'MGRS-' || $3 ORDER BY code LIMIT $4
)
SELECT substr(code, 6) AS tile, collection, id, masked, imported, gone
FROM scenes JOIN page USING (code) ORDER BY tile, id
"""
LATEST = """
SELECT left(id, 3) AS unit, max(datetime) AS latest FROM pgstac.items
WHERE collection = ANY($1) GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that is not there, and the command that would bring it; `item` is what is held already.

    `level` is that of the product to be fetched; None where it can be made of what is held.
    """

    kind: Kind
    collection: str
    datetime: datetime
    platform: str
    relative_orbit: int
    item: str | None
    level: Literal["l1c", "l2a"] | None
    command: str


@dataclass(frozen=True, kw_only=True)
class TileGaps:
    """The gaps of a tile by date; `expected` counts the acquisitions that its rhythm asks for, `held` those there.

    `removed` counts those that retention took out, and `latest` is the start of the newest datatake held.
    """

    tile: str
    expected: int
    held: int
    removed: int
    latest: datetime | None
    gaps: Sequence[Gap]

    @property
    def counts(self) -> dict[str, int]:
        """Gaps by kind."""
        found = Counter(gap.kind for gap in self.gaps)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def lag_days(self, now: datetime) -> float | None:
        """Days from the newest acquisition held until `now`."""
        return None if self.latest is None else round((now - self.latest) / timedelta(days=1), 1)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """For JSON."""
        return {
            "tile": self.tile,
            "expected": self.expected,
            "held": self.held,
            "removed": self.removed,
            "latest": self.latest and _moment(self.latest),
            "lag_days": self.lag_days(now),
            "counts": self.counts,
            "gaps": [vars(gap) | {"datetime": _moment(gap.datetime)} for gap in self.gaps],
        }


@dataclass(kw_only=True)
class _Pass:
    """One acquisition of a tile: what is held of it, by collection."""

    name: ProductName
    ids: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    masked: bool = False
    imported: bool = False

    @property
    def held(self) -> bool:
        """Whether anything of it is there still."""
        return bool(self.ids.keys() - self.gone)


def gaps(settings: Settings, *, tile: str | None = None, after: str | None = None, limit: int = 100) -> list[TileGaps]:
    """The gaps of each tile held, in the order of tiles; superseded products do not count."""
    return found(fetch(settings, HELD, (COLLECTIONS, tile, after, limit)), fetch(settings, LATEST, (COLLECTIONS,)))


def found(held: Iterable[Sequence[Any]], latest: Iterable[Sequence[Any]]) -> list[TileGaps]:
    """Gaps by tile from the rows of `HELD` and `LATEST`. A unit is expected as long as it is seen on any tile."""
    seen = {row[0]: row[1] for row in latest}
    tiles: defaultdict[str, dict[tuple[str, datetime], _Pass]] = defaultdict(dict)
    for tile, collection, item_id, masked, imported, gone in sorted(held, key=_removed_first):
        name = ProductName.parse(item_id)
        one = tiles[tile].setdefault((name.unit, name.datatake_start), _Pass(name=name))
        one.ids[collection] = item_id
        one.gone = one.gone | {collection} if gone else one.gone - {collection}
        if collection == INDICES:
            one.masked, one.imported = masked, bool(imported)
    return [_of_tile(tile, list(passes.values()), seen) for tile, passes in sorted(tiles.items())]


def _removed_first(row: Sequence[Any]) -> bool:
    return not row[-1]


def _moment(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def _of_tile(tile: str, passes: Sequence[_Pass], seen: Mapping[str, datetime]) -> TileGaps:
    wanted = L1C if all(set(one.ids) == {L1C} for one in passes) else L2A
    missing = [gap for series in _series(passes) for gap in _dates(series, wanted, seen)]
    lacking = [gap for one in passes for gap in _derivatives(one, wanted)]
    held = [one for one in passes if one.held]
    return TileGaps(
        tile=tile,
        expected=len(passes) + len(missing),
        held=len(held),
        removed=len(passes) - len(held),
        latest=max((one.name.datatake_start for one in held), default=None),
        gaps=sorted((*missing, *lacking), key=lambda gap: (gap.datetime, gap.kind)),
    )


def _series(passes: Iterable[_Pass]) -> Iterator[list[_Pass]]:
    """The passes of each unit over each orbit, in the order of time."""
    by_orbit: defaultdict[tuple[str, int], list[_Pass]] = defaultdict(list)
    for one in sorted(passes, key=lambda each: each.name.datatake_start):
        by_orbit[one.name.unit, one.name.relative_orbit].append(one)
    yield from by_orbit.values()


def _dates(series: Sequence[_Pass], collection: str, seen: Mapping[str, datetime]) -> Iterator[Gap]:
    """Days of the rhythm without a product. A unit that was moved along its orbit has a rhythm before and one after."""
    first = series[0].name
    days = [round((one.name.datatake_start - first.datatake_start) / timedelta(days=1)) for one in series]
    rhythms: defaultdict[int, set[int]] = defaultdict(set)
    for day in days:
        rhythms[day % CYCLE.days].add(day)
    for phase, held in rhythms.items():
        if len(held) < 2:  # noqa: PLR2004 - one pass is no rhythm
            continue
        last = max(held)
        if phase == days[-1] % CYCLE.days:
            last = max(last, (seen[first.unit] - first.datatake_start) // timedelta(days=1))
        for day in range(min(held), last + 1, CYCLE.days):
            if day not in held:
                yield _gap(first, "acquisition", collection, first.datatake_start + timedelta(days=day))


def _derivatives(one: _Pass, wanted: str) -> Iterator[Gap]:
    """What could be made of what is held, and was not."""
    when = one.name.datatake_start
    if wanted == L2A and set(one.ids) == {L1C} and one.held:
        yield _gap(one.name, "l2a", L2A, when, one.ids[L1C])
    if L2A in one.ids and L2A not in one.gone and INDICES not in one.ids:
        yield _gap(one.name, "indices", INDICES, when, one.ids[L2A])
    if INDICES in one.ids and not one.masked:
        yield _gap(one.name, "mask", INDICES, when, one.ids[INDICES], imported=one.imported)


def _gap(
    name: ProductName, kind: Kind, collection: str, when: datetime, item: str | None = None, *, imported: bool = False
) -> Gap:
    level: Literal["l1c", "l2a"] | None = None
    if kind == "indices":
        command = "sen2extract derive"
    elif kind == "mask" and not imported:
        command = f"sen2extract retry {item}"
    else:  # what an archive did not keep has to be made of the scene itself
        level = "l1c" if collection == L1C else "l2a"
        day = f"{when:%Y-%m-%d}"
        command = f"sen2extract download --tile {name.tile} --from {day} --to {day} --level {level}"
    return Gap(
        kind=kind,
        collection=collection,
        datetime=when,
        platform=name.platform,
        relative_orbit=name.relative_orbit,
        item=item,
        level=level,
        command=command,
    )
