"""One place over 500 dates, NDVI without clouds, objects cold: ours against rio-tiler and rasterio with 16 threads.

Ours includes the catalogue's search, the block index and the writing of a CSV; the peers are given the addresses of
the objects. All read the same pixels, NDVI and MASK; their values are compared.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import rasterio
import series
from measure import Cost, clocked, measure
from psycopg_pool import ConnectionPool
from pyproj import Transformer
from rio_tiler.io import Reader
from servers import servers

from stac.settings import Settings
from tiler.app import use_store
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
        ours = measure(_ours, settings).result
        riotiler = measure(_peer, settings, pairs, "rio-tiler").result
        plain = measure(_peer, settings, pairs, "rasterio").result
    values = np.array(ours.result)
    for cost in (riotiler, plain):
        np.testing.assert_allclose(values, np.array(cost.result), atol=1e-6)
    return {
        "ours": ours.wall,
        "peer": riotiler.wall,
        "unit": "s",
        "dates": DATES,
        "cpu_ratio": riotiler.cpu / ours.cpu,
        "cpu_ratio_rasterio": plain.cpu / ours.cpu,
        "ours_full": _told(ours),
        "rio_tiler": _told(riotiler),
        "rasterio": _told(plain),
        "valid": int(np.isfinite(values).sum()),
    }


def _told(cost: Cost) -> dict[str, float]:
    return {"wall_s": cost.wall, "cpu_s": cost.cpu, "peak_mb": cost.memory}


def _ours(settings: Settings) -> Cost:
    pool = ConnectionPool(settings.pg_dsn, min_size=1, kwargs={"options": "-c search_path=pgstac,public"}, open=True)
    with pool, series.engine(settings, pool) as engine:
        _series(engine, "2018-01-03")  # what is loaded on first use, is
        return clocked(_series, engine, "../..")


def _series(engine: Any, dates: str) -> list[float]:
    plan = engine.plan(parse_request("sentinel-2-indices", {"datetime": dates, "order": "oldest"}), [point(*PLACE)])
    found = engine.run(plan)
    FORMATS["csv"].encode(found, [])
    means = [row.statistics.mean if row.statistics else None for row in found.rows]
    return [np.nan if mean is None else mean for mean in means]


def _peer(settings: Settings, pairs: list[tuple[str, str]], how: str) -> Cost:
    use_store(settings)
    read = _by_rio_tiler if how == "rio-tiler" else _by_rasterio
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
