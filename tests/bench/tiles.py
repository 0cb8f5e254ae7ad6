"""Tiles of items, ours beside titiler-pgstac as it comes, on the same database and bucket in the same run.

Both run in uvicorn with two workers and the GDAL environment of our service. `cold`: the server knows nothing of the
item (the store has delivered each object once before); `warm`: the very tiles again. Zooms 12 to 14 of a landscape, of
several items. CPU is that of the server's processes alone, in milliseconds per tile. `same_pixels` is the share of
pixels of one colour in both, at zooms up to 13 (beyond, the peer samples twice, ours once).
"""

import http.client
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import morecantile
import numpy as np
import rasterio
import series
from numpy.typing import NDArray
from psycopg.conninfo import conninfo_to_dict
from pyproj import Transformer
from rasterio.enums import ColorInterp
from servers import free_port, processes

from stac.settings import Settings

ITEMS = int(os.environ.get("BENCH_TILE_ITEMS", "8"))
"""How many items a case has: an even number."""
ZOOMS = (12, 13, 14)
WORKERS, CLIENTS = 2, 8
SAMPLES = 12
_TICKS = os.sysconf("SC_CLK_TCK")
_RENDERED_TWICE = 14
_PATIENCE = 300
_IDLE = 0.05

type Tiles = list[str]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running tile server: its port, the first of its processes, and what its addresses of tiles end in."""

    port: int
    pid: int
    style: str

    def client(self) -> http.client.HTTPConnection:
        """A connection that stays open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def cpu(self) -> float:
        """Seconds of CPU that its processes have used so far."""
        return sum(_used(row.pid) for row in processes.family(self.pid))


def compare(settings: Settings, ids: list[str], collection: str, ours: str, peer: str) -> dict[str, Any]:
    """Tiles of items of `collection`, half of them by one client and half by eight; what the addresses end in."""
    first, second = _tiles(collection, ids[: len(ids) // 2]), _tiles(collection, ids[len(ids) // 2 :])
    with _peer(settings, peer) as server:
        theirs, pictures = _all("titiler-pgstac", server, first, second), _pictures(server, first)
    with _ours(settings, ours) as server:
        mine, my_pictures = _all("ours", server, first, second), _pictures(server, first)
    same = [float(_equal(one, other)) for one, other in zip(my_pictures, pictures, strict=True)]
    return {
        "ours": mine["cold_8"]["per_s"],
        "peer": theirs["cold_8"]["per_s"],
        "unit": "tiles/s (8 clients, cold)",
        "ratio": mine["cold_8"]["per_s"] / theirs["cold_8"]["per_s"],
        **{f"ratio_{name}": mine[name]["per_s"] / theirs[name]["per_s"] for name in mine},
        **{f"cpu_ratio_{name}": theirs[name]["cpu_ms"] / mine[name]["cpu_ms"] for name in mine},
        "same_pixels": float(np.mean(same)),
        "ours_full": mine,
        "peer_full": theirs,
    }


def _tiles(collection: str, ids: list[str]) -> Tiles:
    """Paths of tiles that lie within the landscape, in random order."""
    left, top = series.GRID.left + series.CORNER * 10, series.GRID.top - series.CORNER * 10
    to_degrees = Transformer.from_crs(32648, 4326, always_xy=True).transform
    west, south = to_degrees(left + 100, top - series.PATCH * 10 + 100)
    east, north = to_degrees(left + series.PATCH * 10 - 100, top - 100)
    found = morecantile.tms.get("WebMercatorQuad").tiles(west, south, east, north, ZOOMS)
    places = [f"{tile.z}/{tile.x}/{tile.y}" for tile in found]
    paths = [
        f"/collections/{collection}/items/{item}/tiles/WebMercatorQuad/{place}.png" for item in ids for place in places
    ]
    random.Random(7).shuffle(paths)
    return paths


def _all(who: str, server: Server, first: Tiles, second: Tiles) -> dict[str, Any]:
    """What tiles cost: one client, then eight, of items that the server has not seen yet, and the same again."""
    _answers(server, [], clients=1)
    told = {}
    for name, tiles, clients in (
        ("cold_1", first, 1),
        ("warm_1", first, 1),
        ("cold_8", second, CLIENTS),
        ("warm_8", second, CLIENTS),
    ):
        told[name] = _answers(server, tiles, clients=clients)
        print(f"  {who}, {name}: {told[name]}", flush=True)
    return told


def _answers(server: Server, tiles: Tiles, *, clients: int) -> dict[str, float]:
    """Tiles per second and their cost; without tiles nothing but the connections are made."""
    parts = [tiles[start::clients] for start in range(clients)]
    used, started = server.cpu(), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = [one for part in pool.map(lambda part: _one_by_one(server, part), parts) for one in part]
    wall, cpu = time.perf_counter() - started, server.cpu() - used
    if not found:
        return {}
    times = [seconds * 1000 for seconds, _ in found]
    return {
        "tiles": len(found),
        "per_s": round(len(found) / wall, 1),
        "p50_ms": round(median(times), 1),
        "p95_ms": round(quantiles(times, n=20)[-1], 1),
        "cpu_ms": round(cpu / len(found) * 1000, 2),
        "bytes": round(sum(size for _, size in found) / len(found)),
    }


def _one_by_one(server: Server, tiles: Tiles) -> list[tuple[float, int]]:
    client, found = server.client(), []
    for path in tiles:
        started = time.perf_counter()
        size = len(_ask(client, path + server.style))
        found.append((time.perf_counter() - started, size))
    return found


def _ask(client: http.client.HTTPConnection, path: str) -> bytes:
    client.request("GET", path)
    answer = client.getresponse()
    read = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{answer.status} from {path}: {read[:500]!r}")
    return read


def _pictures(server: Server, tiles: Tiles) -> list[NDArray[np.uint8]]:
    coarse = [path for path in tiles if int(path.rsplit("/", 3)[1]) < _RENDERED_TWICE]
    client = server.client()
    return [_rgba(_ask(client, path + server.style)) for path in coarse[:SAMPLES]]


def _rgba(png: bytes) -> NDArray[np.uint8]:
    """Colours, (4, rows, columns), of a PNG."""
    with rasterio.MemoryFile(png) as memory, memory.open() as image:
        pixels: NDArray[np.uint8] = image.read()
        if image.colorinterp[0] != ColorInterp.palette:
            return pixels if len(pixels) == 4 else np.concatenate([pixels, image.dataset_mask()[np.newaxis]])
        table = np.array([image.colormap(1)[value] for value in range(256)], dtype=np.uint8)
    return np.moveaxis(table[pixels[0]], -1, 0)


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> np.floating:
    hidden = (one[3] == 0) & (other[3] == 0)
    return np.mean(hidden | (one == other).all(axis=0))


def _used(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


# --- servers -------------------------------------------------------------------------------------------------------


@contextmanager
def _peer(settings: Settings, style: str) -> Iterator[Server]:
    """titiler-pgstac's own application; the addresses that it reads are those of the store, as it offers."""
    given = conninfo_to_dict(settings.pg_dsn)
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    environment = {name: str(given[key]) for name, key in names.items()} | {"RIO_TILER_STAC_ALTERNATE_KEY": "s3"}
    with _service(settings, ["titiler.pgstac.main:app"], environment, style, "/healthz") as server:
        yield server


@contextmanager
def _ours(settings: Settings, style: str) -> Iterator[Server]:
    environment = {
        "PG_DSN": settings.pg_dsn,
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_PUBLIC_URL": settings.s3_public_url,
        "S3_BUCKET": settings.s3_bucket,
    }
    with _service(settings, ["tiler.app:create_app", "--factory"], environment, style, "/livez") as server:
        yield server


@contextmanager
def _service(
    settings: Settings, app: list[str], environment: dict[str, str], style: str, alive: str
) -> Iterator[Server]:
    port = free_port()
    gdal = {name: str(value) for name, value in settings.gdal_environment().items()}
    command = [sys.executable, "-m", "uvicorn", *app, "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen([*command, "--workers", str(WORKERS)], env=os.environ | gdal | environment)
    server = Server(port=port, pid=process.pid, style=style)
    try:
        _wait(server, alive)
        yield server
    finally:
        processes.stop(process.pid, patience=10)
        process.wait()


def _wait(server: Server, path: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            _ask(server.client(), path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            break
    # Both workers are to be up, and have imported what they need.
    used = -1.0
    while server.cpu() - used > _IDLE:
        used = server.cpu()
        time.sleep(1)
