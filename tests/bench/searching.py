"""Searches in a large catalogue: our API beside stac-fastapi-pgstac as it comes, on the same database in the same run.

Both run in uvicorn with two workers. The peer has pgSTAC's own defaults (it counts nothing); `peer_counting` has our
setting, by which it tells `numberMatched` as we do. Clients read answers and do not parse them; they ask for gzip, as
requests, pystac-client and QGIS do. Times are of the whole request, in milliseconds.
"""

import gzip
import http.client
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median, quantiles
from typing import Any

import archive
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from registering import products, register
from servers import free_port

from stac.collections import INDICES, L2A
from stac.settings import Settings

WORKERS, CLIENTS = 2, 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
ROUNDS, PEER_ROUNDS = 40, 8
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}

type Body = dict[str, Any]
type Times = list[float]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running STAC API."""

    port: int

    def client(self) -> http.client.HTTPConnection:
        """A connection that stays open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)


def ask(client: http.client.HTTPConnection, body: Body | None, path: str = "/search") -> bytes:
    """One request, its answer read."""
    client.request("POST" if body else "GET", path, json.dumps(body) if body else None, _HEADERS)
    answer = client.getresponse()
    read = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{answer.status} from {path} {body}: {read[:500]!r}")
    return read


def run(count: int) -> dict[str, Any]:
    """The whole comparison on `count` items."""
    with archive.archive(count) as (settings, loaded):
        result: dict[str, Any] = {
            "items": count,
            "loaded_per_s": loaded.rate,
            "bytes_per_item": loaded.megabytes * 1e6 / count,
            "database_mb": loaded.megabytes,
        }
        with _service("stac.api:create_app", {"PG_DSN": settings.pg_dsn}) as ours:
            result["ours_full"] = _told("ours", _all(ours, count, ROUNDS, aggregates=True))
            result["ours_full"]["per_s"] = _per_second(ours)
            with _ingesting(settings):
                result["ours_while_ingesting"] = _told("ours while ingesting", _some(ours, ROUNDS))
        with _peer(settings, "off") as peer:
            result["peer_full"] = _told("peer", _all(peer, count, PEER_ROUNDS))
            result["peer_full"]["per_s"] = _per_second(peer)
        with _peer(settings, "auto") as peer:
            result["peer_counting"] = _told("peer, counting", _some(peer, PEER_ROUNDS))
    ours_rate, peer_rate = result["ours_full"]["per_s"], result["peer_full"]["per_s"]
    return result | {
        "ours": result["ours_full"]["bbox_time"]["p95"],
        "peer": result["peer_full"]["bbox_time"]["p95"],
        "unit": "ms (p95, 100 items by bbox and time)",
        "requests_ratio": ours_rate / peer_rate,
    }


# --- what is asked ------------------------------------------------------------------------------------------------


def _place(size: float) -> tuple[float, float, float, float]:
    west = archive.WEST + random.random() * (archive.COLUMNS * archive.STEP - size)
    south = archive.SOUTH + random.random() * (archive.ROWS * archive.STEP - size)
    return west, south, west + size, south + size


def _period(days: float) -> str:
    start = archive.FIRST + timedelta(days=random.random() * (365.25 * archive.YEARS - days))
    return f"{start:%Y-%m-%dT%H:%M:%SZ}/{start + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def bbox_time() -> Body:
    """About two hundred items of a few tiles, a hundred of them asked for."""
    return {"collections": [L2A], "bbox": _place(0.5), "datetime": _period(365 * 2), "limit": 100}


def intersects() -> Body:
    """A triangle, of both collections."""
    west, south, east, north = _place(1.0)
    ring = [[west, south], [east, south], [east, north], [west, south]]
    return {
        "intersects": {"type": "Polygon", "coordinates": [ring]}, "datetime": _period(365), "limit": 100,
    }  # fmt: skip


def by_ids(count: int) -> Body:
    """Twenty scenes by name."""
    tiles, dates = archive.tiles(), archive.dates(count // 2)
    names = [archive.name(random.choice(tiles), random.choice(dates)) for _ in range(20)]
    return {"collections": [L2A], "ids": names, "limit": 100}


def cloudless() -> Body:
    """A month of all tiles below a tenth of clouds."""
    filter_ = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]}
    return {"collections": [INDICES], "datetime": _period(30), "filter": filter_, "limit": 100}


def sorted_by_clouds() -> Body:
    """A hundred days of a region, the clearest first."""
    order = [{"field": "properties.eo:cloud_cover", "direction": "asc"}]
    return {"collections": [L2A], "bbox": _place(3), "datetime": _period(100), "sortby": order, "limit": 100}


def newest() -> Body:
    """What is newest, of all."""
    return {"limit": 100}


def _all(service: Service, count: int, rounds: int, *, aggregates: bool = False) -> dict[str, Times]:
    found = _some(service, rounds)
    asked: dict[str, Callable[[], Body]] = {
        "intersects": intersects,
        "ids": partial(by_ids, count),
        "cql2_cloud": cloudless,
        "sort": sorted_by_clouds,
        "newest": newest,
    }
    client = service.client()
    for name, make in asked.items():
        found[name] = _times(client, [make() for _ in range(rounds)])
    found["page_of_all"] = _pages(client, {"collections": [L2A], "limit": 100}, rounds)
    if aggregates:
        counted = {"aggregations": ["total_count", "datetime_frequency", "cloud_cover_frequency"]}
        bodies = [counted | {key: value for key, value in bbox_time().items() if key != "limit"} for _ in range(rounds)]
        found["aggregate"] = _times(client, bodies, "/aggregate")
    return found


def _some(service: Service, rounds: int) -> dict[str, Times]:
    random.seed(5)
    client = service.client()
    # Sessions of PostgreSQL learn of each partition when they first meet it.
    for _ in range(8 * WORKERS):
        ask(service.client(), bbox_time())
    return {"bbox_time": _times(client, [bbox_time() for _ in range(rounds)])}


def _times(client: http.client.HTTPConnection, bodies: list[Body], path: str = "/search") -> Times:
    found = []
    for body in bodies:
        started = time.perf_counter()
        ask(client, body, path)
        found.append((time.perf_counter() - started) * 1000)
    return found


def _pages(client: http.client.HTTPConnection, body: Body, number: int) -> Times:
    found = []
    for _ in range(number):
        started = time.perf_counter()
        answer = ask(client, body)
        found.append((time.perf_counter() - started) * 1000)
        page = json.loads(gzip.decompress(answer))
        body = next(link["body"] for link in page["links"] if link["rel"] == "next")
    return found


def _per_second(service: Service) -> float:
    """Requests per second of eight clients that each ask again at once."""
    until = time.perf_counter() + SECONDS

    def one(seed: int) -> int:
        made = random.Random(seed)
        client, number = service.client(), 0
        while time.perf_counter() < until:
            random.seed(made.random())
            ask(client, bbox_time())
            number += 1
        return number

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(one, range(CLIENTS))) / SECONDS


def _told(who: str, times: dict[str, Times]) -> dict[str, Any]:
    told = {name: {"p50": median(each), "p95": quantiles(each, n=20)[-1]} for name, each in times.items()}
    print(f"  {who}: " + ", ".join(f"{name} {one['p50']:.0f}/{one['p95']:.0f} ms" for name, one in told.items()))
    sys.stdout.flush()
    return told


# --- servers -------------------------------------------------------------------------------------------------------


@contextmanager
def _peer(settings: Settings, context: str) -> Iterator[Service]:
    """stac-fastapi-pgstac, as a role of its own that has pgSTAC's defaults back but for `context`."""
    given = conninfo_to_dict(settings.pg_dsn)
    with psycopg.connect(settings.pg_dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS peer")
        connection.execute("CREATE ROLE peer LOGIN SUPERUSER PASSWORD 'peer'")
        for name, value in {"context": context, "context_stats_ttl": "1 day", "readonly": "true"}.items():
            connection.execute(f"ALTER ROLE peer SET pgstac.{name} = '{value}'")
    environment = {
        "PGHOST": str(given["host"]),
        "PGPORT": str(given["port"]),
        "PGUSER": "peer",
        "PGPASSWORD": "peer",
        "PGDATABASE": str(given["dbname"]),
    }
    with _service("stac_fastapi.pgstac.app:create_app", environment) as service:
        yield service


@contextmanager
def _service(app: str, environment: dict[str, str]) -> Iterator[Service]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--factory", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen([*command, "--workers", str(WORKERS)], env=os.environ | environment)
    service = Service(port=port)
    try:
        _wait(service)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait(service: Service) -> None:
    for _ in range(600):
        try:
            ask(service.client(), {"limit": 1})
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("a service did not become ready")


@contextmanager
def _ingesting(settings: Settings) -> Iterator[None]:
    """Another process registers products all the while."""
    process = multiprocessing.get_context("spawn").Process(target=_ingest, args=(settings.pg_dsn,))
    process.start()
    time.sleep(3)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _ingest(dsn: str) -> None:
    settings = Settings(pg_dsn=make_conninfo(dsn))
    first = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(10**8))
    for batch in products(settings, first):
        register(settings, batch)
