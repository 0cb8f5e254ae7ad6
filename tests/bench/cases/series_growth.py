"""How a series grows: with dates at one point, with polygons over twenty dates; wall clock, CPU and peak memory.

Each size is a process of its own. At the sizes in `PEERS` a peer reads the same objects in the same run: rio-tiler
with 16 threads for points, rasterstats for polygons. `district` is one polygon of 20 x 20 km (four million pixels)
over twenty dates: its memory is bounded by how much is read at once; `district_40m` one of 45 x 45 km, from
overviews. Packs are not made: what is measured is the reading of COGs. `ours` and `peer` of the case are those of the
largest size that has a peer.
"""

import os
from typing import Any

import numpy as np
import series
import shapely
from cases import series_point_500, series_polygons_20x10
from measure import Cost, clocked, measure
from psycopg_pool import ConnectionPool
from pyproj import Transformer
from servers import servers

from stac.settings import Settings
from tiler.app import use_store
from tiler.series.features import Feature, point
from tiler.series.formats import FORMATS
from tiler.series.limits import Limits
from tiler.series.request import parse_request

DATES = [int(size) for size in os.environ.get("BENCH_GROWTH_DATES", "10,100,500,1000,2000").split(",")]
POLYGONS = [int(size) for size in os.environ.get("BENCH_GROWTH_POLYGONS", "1,10,100,1000").split(",")]
PEERS = (100, 500)
"""Numbers of dates at which rio-tiler reads too; rasterstats does at 100 polygons."""
FIELDS = 100
OVER = 20
LEFT, TOP, SIDE = 551_300, 1_348_700, 7_400
"""The patch that holds a landscape, in metres of the zone."""
DISTRICTS = {
    "district": shapely.box(540_000, 1_330_000, 560_000, 1_350_000),
    "district 40": shapely.box(520_000, 1_310_000, 565_000, 1_355_000),
}
RESOLUTIONS = {"district 40": "40"}


def run() -> dict[str, Any]:
    with servers() as settings:
        ids = series.fill(settings, max(DATES))
        pairs = list(zip(*(series.paths(settings, ids[: max(PEERS)], name) for name in ("NDVI", "MASK")), strict=True))
        dates = {size: _dates(settings, size, pairs) for size in DATES}
        polygons = {size: _polygons(settings, size, pairs) for size in POLYGONS}
        district = _told(measure(_ours, settings, "district", OVER).result)
        coarse = _told(measure(_ours, settings, "district 40", OVER).result)
    compared = [found for found in dates.values() if "rio_tiler" in found][-1]
    return {
        "ours": compared["ours"]["wall_s"],
        "peer": compared["rio_tiler"]["wall_s"],
        "unit": "s",
        "dates": dates,
        "polygons": polygons,
        "district": district,
        "district_40m": coarse,
    }


def _dates(settings: Settings, size: int, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    told = {"ours": _told(measure(_ours, settings, "point", size).result)}
    if size in PEERS:
        told["rio_tiler"] = _told(measure(series_point_500._peer, settings, pairs[:size], "rio-tiler").result)
    return told


def _polygons(settings: Settings, size: int, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    told = {"ours": _told(measure(_ours, settings, f"fields {size}", OVER).result)}
    if size == FIELDS:
        told["rasterstats"] = _told(measure(_rasterstats, settings, [pair[0] for pair in pairs[:OVER]], size).result)
    return told


def _told(cost: Cost) -> dict[str, float]:
    return {"wall_s": round(cost.wall, 3), "cpu_s": round(cost.cpu, 3), "peak_mb": round(cost.memory)}


def _ours(settings: Settings, what: str, dates: int) -> Cost:
    use_store(settings)  # overviews are read by GDAL
    pool = ConnectionPool(settings.pg_dsn, min_size=1, kwargs={"options": "-c search_path=pgstac,public"}, open=True)
    with pool, series.engine(settings, pool) as engine:
        engine.limits = Limits(feature_pixels=10_000_000, pixel_reads=2_000_000_000)
        first = point(*series_point_500.PLACE)
        _series(engine, [first], 1, "10")  # what is loaded on first use, is
        features = [first] if what == "point" else _places(what)
        return clocked(_series, engine, features, dates, RESOLUTIONS.get(what, "10"))


def _series(engine: Any, features: list[Feature], dates: int, resolution: str) -> int:
    last = series.FIRST + series.STEP * (dates - 1)
    asked = {"datetime": f"../{last:%Y-%m-%d}", "resolution": resolution}
    plan = engine.plan(parse_request("sentinel-2-indices", asked), features)
    found = engine.run(plan)
    FORMATS["csv"].encode(found, [])
    assert len(found.rows) == dates * len(features), len(found.rows)
    assert found.is_complete
    return len(found.rows)


def _places(what: str) -> list[Feature]:
    to_degrees = Transformer.from_crs(32648, 4326, always_xy=True).transform
    outlines = [DISTRICTS[what]] if what in DISTRICTS else _fields(int(what.removeprefix("fields ")))
    return [
        Feature(id=str(number), geometry=shapely.transform(outline, lambda xy: np.column_stack(to_degrees(*xy.T))))
        for number, outline in enumerate(outlines)
    ]


def _fields(count: int) -> list[shapely.Polygon]:
    """Slanted fields of a hectare to nine, all over the patch."""
    random = np.random.default_rng(count)
    places = random.uniform(0, SIDE - 400, (count, 2))
    sizes = random.uniform(50, 150, count)
    corners = np.array([[0, 0.2], [1.9, 0], [2, 1.8], [0.1, 2]])
    return [
        shapely.Polygon(corners * size + [LEFT + x, TOP - 400 - y]) for (x, y), size in zip(places, sizes, strict=True)
    ]


def _rasterstats(settings: Settings, paths: list[str], count: int) -> Cost:
    use_store(settings)
    return clocked(_zonal, paths, count)


def _zonal(paths: list[str], count: int) -> int:
    fields = _fields(count)
    statistics = series_polygons_20x10.STATISTICS
    found = [series_polygons_20x10.zonal_stats(fields, path, stats=statistics, nodata=-32768) for path in paths]
    return sum(map(len, found))
