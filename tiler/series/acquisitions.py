"""Which observations answer a request: one complete query on pgSTAC, then one observation per acquisition."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import shapely
from psycopg import Connection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from shapely.geometry.base import BaseGeometry

from stac.errors import NameFormatError
from stac.naming import Baseline, ProductName, Tile
from tiler.series.errors import SeriesError, SeriesRequestError
from tiler.series.grid import Grid, Image
from tiler.series.request import INDICES_COLLECTION, L1C_COLLECTION, L2A_COLLECTION, Interval, SeriesRequest

MASK = "MASK"
_ABSENT = "𒍟※"
"""pgSTAC's mark of a key that the collection's item_assets has and the item has not."""
_STRIP = re.compile(r"_S(\d{8}T\d{6})_")
_TAKE = re.compile(r"_(\d{8}T\d{6})_")

_WHERE = "SELECT pgstac.stac_search_to_where(%s)"
_ITEMS = """
SELECT id, datetime, ST_AsBinary(geometry) AS footprint, content->'properties' AS properties,
       content->>'pgstac:base_item' AS base,
       (SELECT jsonb_object_agg(a.key, a.value)
        FROM jsonb_each(content->'assets') a WHERE a.key = ANY({names})) AS assets
FROM pgstac.items
WHERE {where}
ORDER BY datetime, id
"""
_CURRENT = "coalesce(content->'properties'->>'deprecated', 'false') <> 'true'"
_NEAREST = """
SELECT content->'properties'->>'grid:code' AS tile,
       ST_Distance(geometry::geography, ST_GeomFromGeoJSON(%s)::geography) / 1000 AS distance
FROM pgstac.items WHERE collection = %s
ORDER BY geometry <-> ST_SetSRID(ST_GeomFromGeoJSON(%s), 4326) LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One item as the engine needs it.

    `images` holds what the item and its companions (bands of the same scene, mask) store, by asset name. `take` is the
    start of the datatake, `strip` that of the datastrip within it.
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
    own = _own_names(request)
    rows = _query(connection, request.collection, _search(request, place), own, _cloud_limit(request))
    observations = [_observation(row, bucket) for row in rows]
    kept = newest_processing(observations)
    return tuple(_with_companions(connection, request, kept, bucket))


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
    document = shapely.to_geojson(place)
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_NEAREST, (document, collection, document)).fetchone()
    if row is None:
        return None
    return Nearest(tile=str(row["tile"] or "").removeprefix("MGRS-"), distance_km=round(row["distance"], 3))


def needed_bands(request: SeriesRequest) -> tuple[str, ...]:
    """Bands from which indices of the request are computed because they are not stored."""
    stored = request.collection == INDICES_COLLECTION
    names = [band for index in request.indices if not (stored and index.stored) for band in index.bands]
    return tuple(dict.fromkeys(names))


def _own_names(request: SeriesRequest) -> list[str]:
    if request.collection == INDICES_COLLECTION:
        return [MASK, *(index.name for index in request.indices if index.stored), *request.assets]
    return [*needed_bands(request), *request.assets]


def _search(request: SeriesRequest, place: BaseGeometry) -> dict[str, Any]:
    search: dict[str, Any] = {
        "collections": [request.collection],
        "intersects": shapely.geometry.mapping(place),
    }
    if request.interval != Interval():
        search["datetime"] = _rfc3339(request.interval)
    if request.filter is not None:
        search |= {"filter": dict(request.filter), "filter-lang": "cql2-json"}
    return search


def _rfc3339(interval: Interval) -> str:
    ends = (interval.start, interval.end)
    return "/".join(".." if end is None else end.isoformat().replace("+00:00", "Z") for end in ends)


def _cloud_limit(request: SeriesRequest) -> sql.Composable | None:
    if request.max_cloud_cover is None:
        return None
    # A comparison with null is never true: an unknown cloud cover does not pass.
    return sql.SQL("(content->'properties'->>'eo:cloud_cover')::float8 <= {}").format(request.max_cloud_cover)


def _query(
    connection: Connection[Any],
    collection: str,
    search: dict[str, Any],
    names: Sequence[str],
    *conditions: sql.Composable | None,
) -> list[dict[str, Any]]:
    """Rows of the items that `search` finds, all of them, with the assets `names` whole again."""
    with connection.cursor(row_factory=dict_row) as cursor:
        try:
            found = cursor.execute(_WHERE, (Jsonb(search),)).fetchone()
            where: list[sql.Composable] = [sql.SQL(f"({next(iter((found or {}).values()))})"), sql.SQL(_CURRENT)]
            where += [condition for condition in conditions if condition is not None]
            query = sql.SQL(_ITEMS).format(names=sql.Literal(list(names)), where=sql.SQL(" AND ").join(where))
            rows = cursor.execute(query).fetchall()
        except (psycopg.DataError, psycopg.errors.RaiseException, psycopg.ProgrammingError) as error:
            said = str(error).splitlines()[0][:300]
            raise SeriesRequestError(f"the catalogue cannot search so: {said}") from error
        bases = {tag: _base_assets(cursor, collection, tag) for tag in {row["base"] for row in rows}}
    for row in rows:
        base = bases[row["base"]]
        stored = row["assets"] or {}
        row["assets"] = {name: _merged(stored[name], base.get(name)) for name in stored if stored[name] != _ABSENT}
    return rows


def _base_assets(cursor: psycopg.Cursor[Any], collection: str, tag: str | None) -> dict[str, Any]:
    row = cursor.execute("SELECT pgstac.collection_base_item(%s, %s::int) AS base", (collection, tag)).fetchone()
    return ((row or {}).get("base") or {}).get("assets") or {}


def _merged(stored: Any, base: Any) -> Any:
    """What pgSTAC stores, filled up from the collection's item_assets (its `merge_jsonb`)."""
    if stored is None:
        return base
    if isinstance(stored, dict) and isinstance(base, dict):
        whole = {key: _merged(stored.get(key), base.get(key)) for key in {**base, **stored}}
        return {key: value for key, value in whole.items() if value is not None and value != _ABSENT}
    if isinstance(stored, list) and isinstance(base, list) and len(stored) == len(base):
        return [_merged(*pair) for pair in zip(stored, base, strict=True)]
    return stored


def _observation(row: Mapping[str, Any], bucket: str) -> Observation:
    properties, item_id = row["properties"], row["id"]
    take = _first(_TAKE, properties.get("s2:datatake_id")) or _take_of_name(item_id)
    mask = row["assets"].get(MASK, {})
    return Observation(
        item_id=item_id,
        acquired=row["datetime"],
        platform=str(properties.get("platform", "")),
        take=take or row["datetime"].strftime("%Y%m%dT%H%M"),
        strip=_first(_STRIP, properties.get("s2:datastrip_id")),
        tile=_tile(properties, item_id),
        baseline=_baseline(properties),
        footprint=shapely.from_wkb(bytes(row["footprint"])),
        images=_images(row["assets"], properties, bucket),
        mask_fields=frozenset(entry["name"] for entry in mask.get("classification:bitfields") or []),
    )


def _first(pattern: re.Pattern[str], text: str | None) -> str:
    match = pattern.search(text or "")
    return match[1] if match else ""


def _take_of_name(item_id: str) -> str:
    try:
        return ProductName.parse(item_id).datatake_start.strftime("%Y%m%dT%H%M%S")
    except NameFormatError:
        return ""


def _tile(properties: Mapping[str, Any], item_id: str) -> str:
    try:
        return str(Tile.parse(properties.get("grid:code") or ""))
    except NameFormatError as error:
        raise SeriesError(f"item {item_id}: grid:code {properties.get('grid:code')!r} is no MGRS tile") from error


def _baseline(properties: Mapping[str, Any]) -> Baseline:
    try:
        return Baseline.parse(str(properties.get("s2:processing_baseline") or properties.get("processing:version")))
    except NameFormatError:
        return Baseline((-1, -1))


def _images(assets: Mapping[str, Any], properties: Mapping[str, Any], bucket: str) -> dict[str, Image]:
    found = {name: _image(asset, properties, bucket) for name, asset in assets.items()}
    return {name: image for name, image in found.items() if image is not None}


def _image(asset: Mapping[str, Any], properties: Mapping[str, Any], bucket: str) -> Image | None:
    """None for an asset that does not say where its pixels lie."""
    code = asset.get("proj:code", properties.get("proj:code"))
    shape, transform = asset.get("proj:shape"), asset.get("proj:transform")
    address = ((asset.get("alternate") or {}).get("s3") or {}).get("href")
    if not (code and shape and transform and address):
        return None
    size, _, left, _, _, top, *_ = transform
    band = (asset.get("bands") or [{}])[0]
    return Image(
        key=address.removeprefix(f"s3://{bucket}/"),
        path=f"/vsis3/{address.removeprefix('s3://')}",
        grid=Grid(epsg=int(code.rpartition(":")[2]), left=left, top=top, size=size, height=shape[0], width=shape[1]),
        scale=asset.get("raster:scale", band.get("raster:scale", 1.0)),
        offset=asset.get("raster:offset", band.get("raster:offset", 0.0)),
        nodata=asset.get("nodata", band.get("nodata")),
    )


def _with_companions(
    connection: Connection[Any], request: SeriesRequest, observations: Sequence[Observation], bucket: str
) -> Iterable[Observation]:
    """Each observation with the images that other items of its scene hold."""
    if not observations:
        return []
    if request.collection == INDICES_COLLECTION:
        bands = needed_bands(request)
        others = _by_id(connection, L2A_COLLECTION, observations, bands, bucket) if bands else {}
        return [_joined(found, others.get(found.item_id)) for found in observations]
    if request.collection == L2A_COLLECTION:
        others = _by_id(connection, INDICES_COLLECTION, observations, [MASK], bucket)
        return [_joined(found, others.get(found.item_id)) for found in observations]
    if request.collection == L1C_COLLECTION:
        scenes = _by_scene(connection, observations, bucket)
        return [_joined(found, scenes.get(found.group) or scenes.get((*found.group[:3], ""))) for found in observations]
    return observations


def _joined(own: Observation, other: Observation | None) -> Observation:
    if other is None:
        return own
    return Observation(
        **{
            **own.__dict__,
            "images": {**other.images, **own.images},
            "mask_fields": own.mask_fields | other.mask_fields,
        }
    )


def _by_id(
    connection: Connection[Any], collection: str, wanted: Sequence[Observation], names: Sequence[str], bucket: str
) -> dict[str, Observation]:
    search = {"collections": [collection], "ids": [found.item_id for found in wanted]}
    found = (_observation(row, bucket) for row in _query(connection, collection, search, names))
    return {other.item_id: other for other in found}


def _by_scene(
    connection: Connection[Any], wanted: Sequence[Observation], bucket: str
) -> dict[tuple[str, str, str, str], Observation]:
    """Masks for L1C items: an L2A of the same scene has another name, but platform, datatake start and tile are its."""
    place = shapely.box(*shapely.total_bounds([found.footprint for found in wanted]))
    interval = Interval(start=wanted[0].acquired, end=wanted[-1].acquired)
    search = {
        "collections": [INDICES_COLLECTION],
        "intersects": shapely.geometry.mapping(place),
        "datetime": _rfc3339(interval),
    }
    rows = _query(connection, INDICES_COLLECTION, search, [MASK])
    scenes = newest_processing(_observation(row, bucket) for row in rows)
    return {scene.group: scene for scene in scenes} | {(*scene.group[:3], ""): scene for scene in scenes}
