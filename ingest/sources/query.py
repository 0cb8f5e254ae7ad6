"""Which products are wanted. Pure functions; a row of a table of watched areas can become a `Query`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shapely import union_all
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from stac.days import parse_day
from stac.naming import Baseline, Tile, parse_baselines

if TYPE_CHECKING:
    from ingest.sources.base import Offer

type Level = Literal["L1C", "L2A"]
_ORBITS = 143

DEFAULT_START = "today-30"


@dataclass(frozen=True, kw_only=True)
class Query:
    """Products of one level: of `tiles`, or that touch `area` (a GeoJSON geometry, WGS 84), or both.

    `start` is part of the period, `end` is not (UTC). `max_cloud` in per cent: a product whose cloud cover is unknown
    does not pass it. Of products of one acquisition only the newest is wanted, unless `newest_only` is False.
    Raises `ValueError` for what describes nothing.
    """

    level: Level = "L2A"
    tiles: tuple[str, ...] = ()
    area: Mapping[str, Any] | None = None
    start: datetime
    end: datetime
    max_cloud: float | None = None
    relative_orbits: tuple[int, ...] = ()
    min_baseline: Baseline | None = None
    max_baseline: Baseline | None = None
    newest_only: bool = True

    def __post_init__(self) -> None:
        if not self.tiles and self.area is None:
            raise ValueError("name a tile or an area: all products of the Earth are too many")
        object.__setattr__(self, "tiles", tuple(dict.fromkeys(str(Tile.parse(tile)) for tile in self.tiles)))
        if self.start >= self.end:
            raise ValueError(f"the period from {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} is empty")
        if self.max_cloud is not None and not 0 <= self.max_cloud <= 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"a cloud cover of {self.max_cloud} is not in 0..100 per cent")
        if wrong := [orbit for orbit in self.relative_orbits if not 1 <= orbit <= _ORBITS]:
            raise ValueError(f"relative orbit {wrong[0]} is not in 1..{_ORBITS}")
        if self.min_baseline and self.max_baseline and self.min_baseline > self.max_baseline:
            raise ValueError(f"no baseline lies from {self.min_baseline} to {self.max_baseline}")

    def accepts(self, offer: "Offer") -> bool:
        """Whether an offer is what was asked for; the provider's own filter is not trusted. Its area is."""
        name = offer.product
        return (
            name.level == self.level
            and (not self.tiles or str(name.tile) in self.tiles)
            and self.start <= name.datatake_start < self.end
            and (self.max_cloud is None or (offer.cloud_cover is not None and offer.cloud_cover <= self.max_cloud))
            and (not self.relative_orbits or name.relative_orbit in self.relative_orbits)
            and (self.min_baseline is None or name.baseline >= self.min_baseline)
            and (self.max_baseline is None or name.baseline <= self.max_baseline)
        )


def query_of(values: Mapping[str, Any], today: date) -> Query:
    """A query from JSON values, such as parameters of a run or a row of a table; raises `ValueError`.

    `tiles` and `orbits` are lists; `bbox` is a list of four degrees or `area` a GeoJSON geometry; `start` and `end` are
    days, of which the last is part of the period, as `parse_day` reads them; `max_cloud`, `level` (`l1c`, `l2a`),
    `baseline` as `parse_baselines` reads it, `newest_only`. What is missing or None does not restrict.
    """
    days = (
        parse_day(values.get(name) or fallback, today)
        for name, fallback in (("start", DEFAULT_START), ("end", "today"))
    )
    start, end = whole_days(*days)
    low, high = parse_baselines(values["baseline"]) if values.get("baseline") else (None, None)
    return Query(
        level="L1C" if str(values.get("level") or "l2a").lower() == "l1c" else "L2A",
        tiles=tuple(values.get("tiles") or ()),
        area=box(*values["bbox"]) if values.get("bbox") else values.get("area"),
        start=start,
        end=end,
        max_cloud=values.get("max_cloud"),
        relative_orbits=tuple(values.get("orbits") or ()),
        min_baseline=low,
        max_baseline=high,
        newest_only=values.get("newest_only") is not False,
    )


def whole_days(start: date, end: date) -> tuple[datetime, datetime]:
    """The period from the first moment of one day to the last of another, `end` being part of it (UTC)."""
    return _midnight(start), _midnight(end + timedelta(days=1))


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """A box of degrees as a GeoJSON geometry; one whose west lies east of its east crosses the antimeridian."""
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):  # noqa: PLR2004
        raise ValueError(f"{west},{south},{east},{north} is no box: west,south,east,north in degrees")
    if west > east:
        parts = [_ring(west, south, 180, north), _ring(-180, south, east, north)]
        return {"type": "MultiPolygon", "coordinates": [[ring] for ring in parts]}
    return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}


def read_area(text: str) -> dict[str, Any]:
    """The union of all geometries of a GeoJSON document; raises `ValueError`."""
    try:
        document = json.loads(text)
        shapes = [shape(part) for part in _geometries(document)]
    except (ValueError, KeyError, TypeError, AttributeError, ShapelyError) as error:
        raise ValueError(f"no GeoJSON of places: {error}") from error
    if not shapes or not all(one.is_valid and not one.is_empty for one in shapes):
        raise ValueError("no GeoJSON of places: a geometry is missing, empty or crosses itself")
    united: dict[str, Any] = mapping(union_all(shapes))
    return united


def _geometries(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if document["type"] == "FeatureCollection":
        for feature in document["features"]:
            yield from _geometries(feature)
    else:
        yield document["geometry"] if document["type"] == "Feature" else document


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
