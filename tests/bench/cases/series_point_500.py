"""One place over 500 dates, NDVI without clouds, objects cold: ours against rio-tiler and rasterio with 16 threads.

`ours` reads packs (see `sen2extract pack`); `ours_cogs` the very objects that the peers read, before any is packed.
Both include the catalogue's search, the block index and the writing of a CSV; the peers are given the addresses of the
objects. What packing costs is told per date: of the part of the tile that holds the place, which alone is packed here.

All read the same pixels, NDVI and MASK; their values are compared. Each reader is a new process that knows nothing of
the objects; the store has delivered each once before, so that no reader waits for its disk. GDAL is set as our service
sets it; `rio_tiler_as_it_comes` is rio-tiler with nothing set but the address of the store.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import obstore
import rasterio
import series
from measure import Cost, clocked, measure
from psycopg_pool import ConnectionPool
from pyproj import Transformer
from rio_tiler.io import Reader
from servers import servers

from ingest import packs
from stac import packs as table
from stac.packs import PART
from stac.settings import Settings
from tiler.app import use_store
from tiler.series import objects
from tiler.series.features import point
from tiler.series.formats import FORMATS
from tiler.series.request import parse_request

DATES = int(os.environ.get("BENCH_DATES", "500"))
PLACE = (105.505, 12.155)
THREADS = 16
CLOUDS = (0, 1, 3, 8, 9, 10, 15)


def run() -> dict[str, Any]:
    with servers() as settings:
        ids = series.fill(settings, DATES)
        pairs = list(zip(*(series.paths(settings, ids, name) for name in ("NDVI", "MASK")), strict=True))
        _touch(settings, pairs)
        cogs = measure(_ours, settings, 0).result
        packing = measure(_pack, settings)
        _touch_packs(settings)
        ours = measure(_ours, settings, sum(told["dates"] for told in packing.result.values())).result
        riotiler = measure(_peer, settings, pairs, "rio-tiler").result
        plain = measure(_peer, settings, pairs, "rasterio").result
        bare = measure(_peer, settings, pairs, "as it comes").result
    values = np.array(ours.result)
    for cost in (cogs, riotiler, plain, bare):
        np.testing.assert_allclose(values, np.array(cost.result), atol=1e-6)
    return {
        "ours": ours.wall,
        "peer": riotiler.wall,
        "unit": "s",
        "dates": DATES,
        "cpu_ratio": riotiler.cpu / ours.cpu,
        "cpu_ratio_rasterio": plain.cpu / ours.cpu,
        "ratio_cogs": riotiler.wall / cogs.wall,
        "cpu_ratio_cogs": riotiler.cpu / cogs.cpu,
        "ours_full": _told(ours),
        "ours_cogs": _told(cogs),
        "packing": _packing(packing),
        "rio_tiler": _told(riotiler),
        "rasterio": _told(plain),
        "rio_tiler_as_it_comes": _told(bare),
        "valid": int(np.isfinite(values).sum()),
    }


def _touch(settings: Settings, pairs: list[tuple[str, str]]) -> None:
    store = objects.connect(settings, seconds=30)
    keys = [path.removeprefix(f"/vsis3/{settings.s3_bucket}/") for pair in pairs for path in pair]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda key: obstore.get(store, key).bytes(), keys))


def _pack(settings: Settings) -> dict[str, Any]:
    """Pack the part of the tile that holds the place; the rest of the tile is uniform here."""
    middle = (series.CORNER + series.PATCH // 2) // PART
    held = packs.series_held(settings, ("NDVI", "MASK"))
    told = [packs.pack_series(settings, name, parts=[(middle, middle)]) for name in held]
    return {one.series.rpartition("/")[2]: {"bytes": one.bytes, "dates": one.images} for one in told}


def _packing(cost: Cost) -> dict[str, float]:
    dates = {name: told["dates"] for name, told in cost.result.items()}
    pixels = PART**2 * max(dates.values())
    return {
        "dates": max(dates.values()),
        "wall_s_per_date": cost.wall / max(dates.values()),
        "cpu_s_per_date": cost.cpu / max(dates.values()),
        "memory_mb": cost.memory,
        **{f"bits_per_pixel_{name}": 8 * told["bytes"] / pixels for name, told in cost.result.items()},
    }


def _touch_packs(settings: Settings) -> None:
    store = objects.connect(settings, seconds=30)
    for key in table.objects(settings):
        obstore.get(store, key).bytes()


def _told(cost: Cost) -> dict[str, float]:
    return {"wall_s": cost.wall, "cpu_s": cost.cpu}


def _ours(settings: Settings, packed: int) -> Cost:
    pool = ConnectionPool(settings.pg_dsn, min_size=1, kwargs={"options": "-c search_path=pgstac,public"}, open=True)
    with pool, series.engine(settings, pool) as engine:
        _series(engine, "2018-01-03")  # what is loaded on first use, is
        cost = clocked(_series, engine, "../..")
        assert engine.explain(_planned(engine, "../..")).packed == packed
        return cost


def _series(engine: Any, dates: str) -> list[float]:
    found = engine.run(_planned(engine, dates))
    FORMATS["csv"].encode(found, [])
    means = [row.statistics.mean if row.statistics else None for row in found.rows]
    return [np.nan if mean is None else mean for mean in means]


def _planned(engine: Any, dates: str) -> Any:
    return engine.plan(parse_request("sentinel-2-indices", {"datetime": dates, "order": "oldest"}), [point(*PLACE)])


def _peer(settings: Settings, pairs: list[tuple[str, str]], how: str) -> Cost:
    use_store(settings)
    if how == "as it comes":
        for name in settings.gdal_environment():
            if not name.startswith("AWS_"):
                del os.environ[name]
    read = _by_rasterio if how == "rasterio" else _by_rio_tiler
    read(pairs[0])
    return clocked(_threaded, read, pairs)


def _threaded(read: Any, pairs: list[tuple[str, str]]) -> list[float]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(read, pairs))


def _by_rio_tiler(pair: tuple[str, str]) -> float:
    found = []
    for path in pair:
        with Reader(path) as source:
            found.append(source.point(*PLACE, coord_crs="EPSG:4326").array)
    return _value(float(found[0].filled(-32768)[0]), int(found[1].filled(0)[0]))


def _by_rasterio(pair: tuple[str, str]) -> float:
    place = Transformer.from_crs(4326, 32648, always_xy=True).transform(*PLACE)
    found = []
    for path in pair:
        with rasterio.open(path) as source:
            found.append(next(source.sample([place]))[0])
    return _value(float(found[0]), int(found[1]))


def _value(stored: float, mask: int) -> float:
    return np.nan if stored == -32768 or mask & 15 in CLOUDS else stored * 0.0001
