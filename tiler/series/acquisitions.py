"""Which observations answer a request: one query on our own narrow table, then one observation per acquisition.

No STAC document is read: `sen2extract.observations` holds what the engine needs of each item (see its migration). Only
a CQL2 `filter` asks pgSTAC, for the ids.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import psycopg
import shapely
from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from shapely.geometry.base import BaseGeometry

from stac.assets import MASK
from stac.collections import INDICES, L1C, L2A
from stac.indices import Index
from stac.naming import Baseline
from stac.operands import settled
from tiler.series.errors import SeriesRequestError
from tiler.series.grid import Grid, Image
from tiler.series.interval import Interval
from tiler.series.request import SeriesRequest

_FIND = """
SELECT o.item_id, o.acquired, o.platform, o.take, o.strip, o.tile, o.baseline_major, o.baseline_minor, o.lossy,
    ST_AsBinary(o.footprint), array_to_string(o.mask_fields || c.mask_fields, ' '), o.folder, c.folder{images}
FROM sen2extract.observations AS o LEFT JOIN {companion} ON true
WHERE o.collection = {collection} AND NOT o.deprecated
    AND ST_Intersects(o.footprint, ST_GeomFromWKB(%(place)s, 4326)){conditions}
ORDER BY o.acquired, o.tile, o.item_id
"""
_OF_SAME_ITEM = """LATERAL (
    SELECT i.* FROM sen2extract.observations AS i
    WHERE i.collection = {collection} AND i.item_id = {item_id} AND NOT i.deprecated
) AS c"""
# An L2A of the scene of an L1C has another name, but its platform, datatake and tile.
_OF_SAME_SCENE = """LATERAL (
    SELECT i.* FROM sen2extract.observations AS i
    WHERE i.collection = {collection} AND NOT i.deprecated
        AND i.tile = o.tile AND i.take = o.take AND i.platform = o.platform
    ORDER BY i.strip = o.strip DESC, i.baseline_major DESC, i.baseline_minor DESC, i.item_id DESC LIMIT 1
) AS c"""
_FILTERED = "SELECT id FROM pgstac.items WHERE "
_WHERE = "SELECT pgstac.stac_search_to_where(%s)"
_NEAREST = """
SELECT tile, ST_Distance(footprint::geography, ST_GeomFromWKB(%(place)s, 4326)::geography) / 1000
FROM sen2extract.observations WHERE collection = %(collection)s AND NOT deprecated
ORDER BY footprint <-> ST_GeomFromWKB(%(place)s, 4326) LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One item as the engine needs it.

    `images` holds what the item and its companions (bands of the same scene, mask) store, by asset name. `take` is the
    start of the datatake, `strip` that of the datastrip within it. `lossy` pixels come from an archive that had lost
    something already.
    """

    item_id: str
    acquired: datetime
    platform: str
    take: str
    strip: str
    tile: str
    baseline: Baseline
    footprint: BaseGeometry
    images: Mapping[str, Image] = field(default_factory=dict)
    mask_fields: frozenset[str] = frozenset()
    lossy: bool = False

    @property
    def group(self) -> tuple[str, str, str, str]:
        """What makes two items two processings of one observation."""
        return self.platform, self.take, self.tile, self.strip

    @property
    def overpass(self) -> tuple[str, str]:
        """What makes two items parts of one acquisition of a place."""
        return self.platform, self.take


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The tile held that is nearest to a place, and how far it is, in km (0: it covers the place)."""

    tile: str
    distance_km: float


def find(
    connection: Connection[Any], request: SeriesRequest, place: BaseGeometry, bucket: str
) -> tuple[Observation, ...]:
    """Every current observation that intersects `place`, oldest first; superseded processings left out."""
    own, companion, others = _sources(request)
    conditions, values = _conditions(connection, request, place)
    query = sql.SQL(_FIND).format(
        images=_columns("o", own) + _columns("c", others),
        companion=companion,
        collection=sql.Literal(request.collection),
        conditions=conditions,
    )
    with connection.cursor(binary=True) as cursor, _searching():
        rows = cursor.execute(query, {"place": shapely.to_wkb(place), **values}).fetchall()
    footprints = shapely.from_wkb(np.array([row[9] for row in rows], dtype=object))
    make = _Maker(request.collection, request.indices, own=_Images(own, bucket), others=_Images(others, bucket))
    return tuple(newest_processing(map(make.observation, rows, footprints)))


def newest_processing(observations: Iterable[Observation]) -> list[Observation]:
    """Of the items of one observation, the one with the highest baseline; of equals, the one generated last."""
    best: dict[tuple[str, str, str, str], Observation] = {}
    for found in observations:
        rival = best.get(found.group)
        if rival is None or (rival.baseline, rival.item_id) < (found.baseline, found.item_id):
            best[found.group] = found
    return sorted(best.values(), key=lambda found: (found.acquired, found.tile, found.item_id))


def nearest(connection: Connection[Any], collection: str, place: BaseGeometry) -> Nearest | None:
    """The nearest tile that the collection holds; None when it holds nothing."""
    row = connection.execute(_NEAREST, {"place": shapely.to_wkb(place), "collection": collection}).fetchone()
    return None if row is None else Nearest(tile=row[0], distance_km=round(row[1], 3))


def _sources(request: SeriesRequest) -> tuple[Sequence[str], sql.Composable, Sequence[str]]:
    """Assets wanted of the items themselves, the item of the same scene that holds more, and the assets of that."""
    bands = tuple(dict.fromkeys(band for index in request.indices for band in index.bands))
    names = tuple(index.name for index in request.indices)
    if request.collection == INDICES:
        # Bands only for items that do not have all indices asked for.
        item_id = sql.SQL("CASE WHEN NOT o.images ?& {} THEN o.item_id END").format(sql.Literal(list(names)))
        companion = sql.SQL(_OF_SAME_ITEM).format(collection=sql.Literal(L2A), item_id=item_id)
        return (MASK, *names, *request.assets), companion, bands
    kind = _OF_SAME_SCENE if request.collection == L1C else _OF_SAME_ITEM
    companion = sql.SQL(kind).format(collection=sql.Literal(INDICES), item_id=sql.SQL("o.item_id"))
    return (*bands, *request.assets), companion, (MASK,)


def _columns(table: str, names: Sequence[str]) -> sql.Composable:
    """Two for each asset: the name of its object, and what else is known of it."""
    image = sql.SQL(", {table}.images->{name}->>0, {table}.images->{name}->>1")
    return sql.Composed([image.format(table=sql.Identifier(table), name=sql.Literal(name)) for name in names])


def _conditions(
    connection: Connection[Any], request: SeriesRequest, place: BaseGeometry
) -> tuple[sql.Composable, dict[str, Any]]:
    """What the request asks of items beyond their place, and the values that this names."""
    values = {"start": request.interval.start, "end": request.interval.end, "cloud": request.max_cloud_cover}
    # A comparison with null is never true: an unknown cloud cover does not pass.
    asked = {"start": "o.acquired >= %(start)s", "end": "o.acquired <= %(end)s", "cloud": "o.cloud_cover <= %(cloud)s"}
    conditions: list[sql.Composable] = [sql.SQL(asked[name]) for name in asked if values[name] is not None]
    if request.filter is not None:
        where = _where(connection, request, place)
        conditions.append(sql.SQL("o.item_id IN ({}{})").format(sql.SQL(_FILTERED), where))
    joined = sql.Composed([part for condition in conditions for part in (sql.SQL(" AND "), condition)])
    return joined, {name: value for name, value in values.items() if value is not None}


def _where(connection: Connection[Any], request: SeriesRequest, place: BaseGeometry) -> sql.Composable:
    """The condition that pgSTAC makes of the request's filter; it quotes what a user gave."""
    search: dict[str, Any] = {
        "collections": [request.collection],
        "intersects": shapely.geometry.mapping(place),
        "filter": settled(request.filter),
        "filter-lang": "cql2-json",
    }
    if request.interval != Interval():
        search["datetime"] = str(request.interval)
    with _searching():
        row = connection.execute(_WHERE, (Jsonb(search),)).fetchone()
    # A percent sign would be a parameter's to psycopg.
    return sql.SQL((row or ("false",))[0].replace("%", "%%"))


@contextmanager
def _searching() -> Iterator[None]:
    try:
        yield
    except (psycopg.DataError, psycopg.errors.RaiseException, psycopg.ProgrammingError) as error:
        said = str(error).splitlines()[0][:300]
        raise SeriesRequestError(f"the catalogue cannot search so: {said}") from error


class _Images:
    """Makes the images of rows from the two cells that each asset of `names` has, where the item has it."""

    def __init__(self, names: Sequence[str], bucket: str) -> None:
        self.names = names
        self._prefix = f"s3://{bucket}/"

    def of(self, folder: str | None, cells: Sequence[str | None]) -> dict[str, Image]:
        """By asset; `folder` is the item's."""
        found = zip(self.names, cells[::2], cells[1::2], strict=True)
        return {
            name: self._image(file if file.startswith("s3://") else f"{folder}{file}", facts)
            for name, file, facts in found
            if file is not None and facts is not None
        }

    def _image(self, address: str, facts: str) -> Image:
        grid, scale, offset, nodata = _facts(facts)
        return Image(
            key=address.removeprefix(self._prefix), path=f"/vsis3/{address[5:]}",
            grid=grid, scale=scale, offset=offset, nodata=nodata,
        )  # fmt: skip


@lru_cache(maxsize=4096)
def _facts(text: str) -> tuple[Grid, float, float, float | None]:
    """Images of one kind and tile say the same: it is read once."""
    epsg, left, top, size, height, width, scale, offset, nodata = json.loads(text)
    return _shared(Grid(epsg=epsg, left=left, top=top, size=size, height=height, width=width)), scale, offset, nodata


@lru_cache(maxsize=4096)
def _shared(grid: Grid) -> Grid:
    """Images of one tile share their grid, so that most comparisons are over at a glance."""
    return grid


@lru_cache(maxsize=1024)
def _baseline(major: int, minor: int) -> Baseline:
    return Baseline((major, minor))


@lru_cache(maxsize=1024)
def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class _Maker:
    """Makes observations of rows."""

    collection: str
    indices: Sequence[Index]
    own: _Images
    others: _Images

    def observation(self, row: Sequence[Any], footprint: BaseGeometry) -> Observation:
        item_id, acquired, platform, take, strip, tile, major, minor, lossy, _, fields, folder, other, *cells = row
        here = 2 * len(self.own.names)
        images = self.own.of(folder, cells[:here])
        if other is not None:
            images = self._lacked(self.others.of(other, cells[here:]), images) | images
        return Observation(
            item_id=item_id, acquired=acquired, platform=platform, take=take, strip=strip, tile=tile,
            baseline=_baseline(major, minor), footprint=footprint, images=images, mask_fields=_names(fields),
            lossy=lossy,
        )  # fmt: skip

    def _lacked(self, others: dict[str, Image], own: Mapping[str, Image]) -> dict[str, Image]:
        """Of an index product's bands only those of indices that it does not store."""
        if self.collection != INDICES:
            return others
        bands = {band for index in self.indices if index.name not in own for band in index.bands}
        return {name: image for name, image in others.items() if name in bands}
