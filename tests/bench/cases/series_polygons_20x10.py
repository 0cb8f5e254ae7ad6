"""Ten fields over 20 dates, all statistics without clouds: ours against rasterstats on the same objects, and on JP2.

Ours weighs pixels by their area, masks clouds and searches the catalogue; rasterstats takes pixels by their centre, and
is given the addresses and no mask. Means are compared on the mask-free series, within what the pixel rules differ in.

`predecessor` reads as Sen2Chain does: lossy JP2 on the disk, opened anew for each field and date, once with clouds and
once without. One image serves for all of them, and its third read, of cloud probabilities, is left out.
"""

import tempfile
from typing import Any

import numpy as np
import rasterio.shutil
import series
import shapely
from measure import Cost, clocked, measure
from psycopg_pool import ConnectionPool
from pyproj import Transformer
from rasterstats import zonal_stats
from servers import servers

from stac.settings import Settings
from tiler.app import use_store
from tiler.series.features import Feature
from tiler.series.formats import FORMATS
from tiler.series.request import parse_request

DATES = 20
RADII = (50, 80, 120, 180, 250, 350, 480, 480, 250, 120)
"""Metres; from some 80 pixels to 7,000."""
STATISTICS = ["count", "mean", "min", "max", "std", "median", "percentile_25", "percentile_75"]


def run() -> dict[str, Any]:
    with servers() as settings:
        ids = series.fill(settings, DATES)
        ours = measure(_ours, settings, "scl").result
        bare = measure(_ours, settings, "none").result
        paths = series.paths(settings, ids, "NDVI")
        peer = measure(_peer, settings, paths).result
        with tempfile.TemporaryDirectory() as folder:
            image = f"{folder}/NDVI.jp2"
            measure(_write_jp2, settings, paths[0], image)
            predecessor = measure(_predecessor, image).result
    difference = np.abs(np.array(bare.result) - np.array(peer.result)).max()
    assert difference < 0.01, difference
    return {
        "ours": ours.wall,
        "peer": peer.wall,
        "unit": "s",
        "dates": DATES,
        "polygons": len(RADII),
        "cpu_ratio": peer.cpu / ours.cpu,
        "ours_full": _told(ours),
        "ours_unmasked": _told(bare),
        "rasterstats": _told(peer),
        "predecessor": _told(predecessor),
        "largest_difference_of_means": float(difference),
    }


def _told(cost: Cost) -> dict[str, float]:
    return {"wall_s": cost.wall, "cpu_s": cost.cpu}


def _fields() -> list[shapely.Polygon]:
    """Octagons, turned, spread over the images; in metres of the zone."""
    centres = [(551_800 + 680 * number, 1_341_700 + 650 * (number * 3 % 10)) for number in range(len(RADII))]
    angles = np.arange(8) * np.pi / 4 + 0.2
    return [
        shapely.Polygon(np.column_stack([x + radius * np.cos(angles), y + radius * 0.8 * np.sin(angles)]))
        for (x, y), radius in zip(centres, RADII, strict=True)
    ]


def _ours(settings: Settings, mask: str) -> Cost:
    to_degrees = Transformer.from_crs(32648, 4326, always_xy=True).transform
    features = [
        Feature(id=str(number), geometry=shapely.transform(field, lambda xy: np.column_stack(to_degrees(*xy.T))))
        for number, field in enumerate(_fields())
    ]
    pool = ConnectionPool(settings.pg_dsn, min_size=1, kwargs={"options": "-c search_path=pgstac,public"}, open=True)
    with pool, series.engine(settings, pool) as engine:
        _series(engine, features[:1], {"datetime": "2018-01-03", "mask": mask})
        return clocked(_series, engine, features, {"mask": mask})


def _series(engine: Any, features: list[Feature], asked: dict[str, str]) -> list[float]:
    plan = engine.plan(parse_request("sentinel-2-indices", {"order": "oldest", **asked}), features)
    found = engine.run(plan)
    FORMATS["csv"].encode(found, [])
    return [row.statistics.mean for row in found.rows if row.statistics]


def _peer(settings: Settings, paths: list[str]) -> Cost:
    use_store(settings)
    return clocked(_rasterstats, paths)


def _write_jp2(settings: Settings, source: str, path: str) -> None:
    use_store(settings)
    rasterio.shutil.copy(source, path, driver="JP2OpenJPEG", NBITS=15, CODEC="JP2", QUALITY=20)


def _predecessor(path: str) -> Cost:
    return clocked(_one_by_one, path)


def _one_by_one(path: str) -> None:
    for field in _fields():
        for _ in range(2 * DATES):
            zonal_stats([field], path, stats=STATISTICS, nodata=16_383)


def _rasterstats(paths: list[str]) -> list[float]:
    fields = _fields()
    by_date = [zonal_stats(fields, path, stats=STATISTICS, nodata=-32768) for path in paths]
    return [found[number]["mean"] * 0.0001 for number in range(len(fields)) for found in by_date]
