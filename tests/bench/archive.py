"""A catalogue of many items in their real form, loaded once into a database of its own that later runs find again.

Half of the items are L2A scenes, half their index products: `TILES` tiles on a grid of 0.9 degrees, the same number of
dates for each from 2016 on, spread evenly over ten years. They differ in what items differ in (name, dates, place,
cloud cover, checksums, keys, statistics), so that they compress as real ones do. One scene in fifty is superseded.

Rows are made from two real items and copied into pgSTAC's partitions, which is what loading costs without us.
"""

import json
import random
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import orjson
import psycopg
import shapely
from psycopg.types.json import Jsonb
from servers import ROOT, kept_database

from stac import catalog
from stac.assets import COG
from stac.bands import bands_of, layers_of
from stac.collections import INDICES, L2A
from stac.finished import MEMBER, Finished
from stac.hydration import Base, base, members
from stac.indices import stored_indices
from stac.items import index_item, scene_item
from stac.naming import ProductName, asset_key, item_prefix
from stac.scene import Footprint, Grid, Radiometry, Scene, Statistics, StoredAsset
from stac.settings import Settings

COLUMNS, ROWS = 25, 20
TILES = COLUMNS * ROWS
WEST, SOUTH, STEP = 90.0, 1.0, 0.9
FIRST, YEARS = datetime(2016, 1, 1, 3, 11, 21, tzinfo=UTC), 10
SUPERSEDED = 50
NAME = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"
_SUM, _SHORT = "cd" * 32, "cdcdcdcd"
_HEX = {"sum": 64, "short": 8}
_NUMBERS = cycle([str(random.randrange(100, 99999) / 10) for _ in range(10_007)])
_BANDS, _LETTERS = "NPQR", "ABCDEFGHJKLMNPQRSTUV"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What loading took."""

    items: int
    seconds: float
    megabytes: float

    @property
    def rate(self) -> float:
        """Items per second."""
        return self.items / self.seconds


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile of the grid: its name, its lower left corner in degrees and its outline as PostGIS takes it."""

    name: str
    west: float
    south: float
    outline: str


@contextmanager
def archive(count: int) -> Iterator[tuple[Settings, Loaded]]:
    """Settings of a catalogue of `count` items, and what loading them took when it was done."""
    with kept_database(ROOT / ".local" / "bench" / f"catalogue-{count}") as dsn:
        settings = Settings(pg_dsn=dsn)
        catalog.migrate(settings)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET search_path TO pgstac, public")
            loaded = _load(connection, settings, count)
            _warm(connection)
        yield settings, loaded


def _warm(connection: psycopg.Connection[Any]) -> None:
    """Fill PostgreSQL's cache: nobody pays for the disk, who is measured first no more than who is last."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    held = "relkind IN ('r', 't', 'i') AND pg_relation_size(oid) > 0"
    connection.execute(f"SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE {held}")


def tiles() -> list[Tile]:
    """The tiles, row by row from the south."""
    found = []
    for number in range(TILES):
        row, column = divmod(number, COLUMNS)
        west, south = WEST + column * STEP, SOUTH + row * STEP
        name = f"{int((west + 180) // 6) + 1:02d}{_BANDS[row // 9]}{_LETTERS[column % 20]}{_LETTERS[row]}"
        box = shapely.set_srid(shapely.box(west, south, west + 1, south + 1), 4326)
        outline = shapely.to_wkb(box, hex=True, include_srid=True)
        found.append(Tile(name=name, west=west, south=south, outline=outline))
    assert len({tile.name for tile in found}) == TILES
    return found


def _load(connection: psycopg.Connection[Any], settings: Settings, count: int) -> Loaded:
    """Load what is not there yet, a year of a collection at a time; a load that was interrupted goes on."""
    connection.execute("CREATE TABLE IF NOT EXISTS public.bench_loaded (part text PRIMARY KEY, seconds float)")
    done = {row[0] for row in connection.execute("SELECT part FROM public.bench_loaded").fetchall()}
    forms = {item["collection"]: Form.of(connection, item) for item in _examples(settings)}
    for year in range(FIRST.year, FIRST.year + YEARS):
        for collection, form in forms.items():
            part = f"{collection} {year}"
            if part not in done:
                started = time.perf_counter()
                _load_year(connection, collection, form, year, count // 2)
                seconds = time.perf_counter() - started
                connection.execute("INSERT INTO public.bench_loaded VALUES (%s, %s)", (part, seconds))
                print(f"  {part}: {seconds:.0f} s", flush=True)
    row = connection.execute(
        "SELECT (SELECT sum(seconds) FROM public.bench_loaded), pg_database_size(current_database())"
    ).fetchone()
    assert row is not None
    return Loaded(items=count, seconds=row[0], megabytes=row[1] / 1e6)


def _load_year(connection: psycopg.Connection[Any], collection: str, form: "Form", year: int, count: int) -> None:
    partition = connection.execute(
        "SELECT check_partition(%(c)s, partition_range, partition_range) FROM partition_name(%(c)s, %(d)s)",
        {"c": collection, "d": datetime(year, 6, 1, tzinfo=UTC)},
    ).fetchone()
    assert partition is not None
    connection.execute(f"TRUNCATE {partition[0]}")
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"COPY {partition[0]} (id, geometry, collection, datetime, end_datetime, content, private) FROM STDIN"
        ) as copy,
    ):
        places = tiles()
        for moment in dates(count):
            if moment.year == year:
                copy.write("".join(form.row(tile, moment, collection) for tile in places))
    connection.execute("SELECT pgstac.update_partition_stats(%s, true)", partition)
    connection.execute(f"VACUUM ANALYZE {partition[0]}")


def dates(count: int) -> list[datetime]:
    """The dates at which each tile is seen, for `count` scenes in all."""
    number = max(count // TILES, 1)
    step = timedelta(days=365.25 * YEARS / number)
    return [(FIRST + step * each).replace(microsecond=0) for each in range(number)]


def name(tile: Tile, moment: datetime) -> str:
    """The name of the scene of a tile at a date."""
    made = moment + timedelta(hours=3)
    return f"S2A_MSIL2A_{moment:%Y%m%dT%H%M%S}_N0511_R075_T{tile.name}_{made:%Y%m%dT%H%M%S}"


@dataclass(frozen=True, kw_only=True)
class Form:
    """An item as pgSTAC stores it, cut at what differs from item to item."""

    base: Base
    parts: list[str]
    kinds: list[str]

    @classmethod
    def of(cls, connection: psycopg.Connection[Any], item: dict[str, Any]) -> "Form":
        """The form of `item`."""
        row = connection.execute(
            "SELECT content_slim(%s)::text, collection_base_item(%s)::text", (Jsonb(item), item["collection"])
        ).fetchone()
        assert row is not None
        assert "\\" not in row[0]
        pattern = "|".join(
            f"(?P<{kind}>{text})"
            for kind, text in {
                "name": re.escape(NAME),
                "sum": _SUM,
                "short": f"(?<=-){_SHORT}",
                "folder": "48/P/WU/2025/01",
                "square": 'WU(?=")',
                "tile": "48PWU",
                "date": r"2025-01-05T03:11:21(?:\.\d+)?Z",
                "made": "2025-01-05T06:22:33Z",
                "stamp": "20250105T(?:031121|062233)",
                "cloud": '(?<=cloud_cover": )12.5',
                "box": r"(?<=\"bbox\": )\[[^]]*\]",
                "number": r"(?<=(?:mean|size|ddev)\": )[0-9.]+|(?<=maximum\": )[0-9.]+",
            }.items()
        )
        found = list(re.finditer(pattern, row[0]))
        ends = [0, *(match.end() for match in found)]
        starts = [*(match.start() for match in found), len(row[0])]
        return cls(
            base=base(row[1]),
            parts=[row[0][end:start] for end, start in zip(ends, starts, strict=True)],
            kinds=[str(match.lastgroup) for match in found],
        )

    def row(self, tile: Tile, moment: datetime, collection: str) -> str:
        """A line for COPY."""
        made = moment + timedelta(hours=3)
        fixed = {
            "name": name(tile, moment),
            "folder": f"{tile.name[:2]}/{tile.name[2]}/{tile.name[3:]}/{moment:%Y/%m}",
            "square": tile.name[3:],
            "tile": tile.name,
            "date": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "made": f"{made:%Y-%m-%dT%H:%M:%SZ}",
            "stamp": f"{moment:%Y%m%dT%H%M%S}",
            "cloud": f"{random.random() * 100:.2f}",
            "box": f"[{tile.west}, {tile.south}, {tile.west + 1}, {tile.south + 1}]",
        }
        noise, at = secrets.token_hex(32 * len(self.kinds)), 0
        text = [self.parts[0]]
        for kind, part in zip(self.kinds, self.parts[1:], strict=True):
            if kind in _HEX:
                at += _HEX[kind]
                text.append(noise[at - _HEX[kind] : at])
            else:
                text.append(fixed[kind] if kind in fixed else next(_NUMBERS))
            text.append(part)
        content = "".join(text)
        if not random.randrange(SUPERSEDED):
            content = content.replace('"properties": {', '"properties": {"deprecated": true, ', 1)
        stamp = fixed["date"]
        private = json.dumps({MEMBER: self._finished(content)}).replace("\\", "\\\\")
        return f"{fixed['name']}\t{tile.outline}\t{collection}\t{stamp}\t{stamp}\t{content}\t{private}\n"

    def _finished(self, content: str) -> str:
        own = self.base.members(members(content))
        return Finished.of({name: orjson.loads(text) for name, text in own.items()}).text()


def example_scene() -> Scene:
    """A scene, with all that its metadata tell."""
    product = ProductName.parse(NAME)
    return Scene(
        name=product,
        acquired=product.datatake_start,
        generated=product.discriminator,
        datatake_id="GS2A_20250105T031121_049836_N0511",
        datastrip_id="S2A_OPER_MSI_L2A_DS_2APS_20250105T062233_S20250105T031121_N0511",
        granule_id="S2A_OPER_MSI_L2A_TL_2APS_20250105T062233_A049836_T48PWU_N0511",
        fingerprint=_SUM,
        source="safe",
        absolute_orbit=49836,
        orbit_state="descending",
        sun_azimuth=140.123,
        sun_elevation=50.4,
        view_azimuth=104.2,
        view_incidence=7.9,
        cloud_cover=12.5,
        snow_cover=0.0,
        quality={"s2:water_percentage": 1.25, "s2:nodata_pixel_percentage": 0.0, "s2:vegetation_percentage": 40.5},
        software={"sen2extract": "0.1.0"},
    )


def _examples(settings: Settings) -> list[dict[str, Any]]:
    """A scene with all its images and its index product."""
    scene = example_scene()
    box = (104.9, 11.7, 105.9, 12.7)
    footprint = Footprint(geometry=shapely.geometry.mapping(shapely.box(*box)), bbox=box)
    raw = Radiometry(scale=0.0001, offset=-0.1, nodata=0)
    bands = [image(scene, L2A, band.name, band.gsd, "uint16", raw) for band in bands_of("L2A")]
    layers = [
        image(scene, L2A, layer.name, layer.gsd, layer.data_type, Radiometry(nodata=layer.nodata))
        for layer in layers_of("L2A")
    ]
    index = Radiometry(scale=0.0001, offset=0.0, nodata=-32768)
    images = [image(scene, INDICES, one.name, 10, "int16", index) for one in stored_indices()]
    mask = image(scene, INDICES, "MASK", 10, "uint16", Radiometry(nodata=0))
    items = [
        scene_item(scene, [*bands, *layers], footprint, settings),
        index_item(scene, [*images, mask], footprint, settings),
    ]
    return [item.to_dict(include_self_link=False, transform_hrefs=False) for item in items]


def image(
    scene: Scene, collection: str, name: str, gsd: int, data_type: str, meaning: Radiometry, sha256: str = _SUM
) -> StoredAsset:
    """An image of a scene."""
    prefix = item_prefix(collection, scene.item_id, scene.name.tile, scene.acquired)
    size = 109800 // gsd
    return StoredAsset(
        name=name,
        key=asset_key(prefix, name, sha256, ".tif"),
        size=123456789,
        sha256=sha256,
        media_type=COG,
        grid=Grid(epsg=32648, width=size, height=size, left=499980.0, top=1400040.0, pixel_width=gsd, pixel_height=gsd),
        data_type=data_type,
        radiometry=meaning,
        statistics=Statistics(minimum=1, maximum=12345, mean=2345.6, stddev=123.4, valid_percent=99.1),
    )
