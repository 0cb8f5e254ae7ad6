"""Clients that go away, and stores and databases that do: nothing is read for nobody, and nothing hangs."""

import http.client
import json
import socket
import socketserver
import threading
import time
import zlib
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from obstore.store import MemoryStore
from pydantic import SecretStr

from ingest import block_index
from stac.database import connect
from tiler.app import create_app, use_store
from tiler.extension import _while_there
from tiler.series.errors import GoneError, SilentStoreError, StoreAwayError, UnreadableError
from tiler.series.lines import stream
from tiler.series.patience import Patience
from tiler.series.request import parse_request
from tiler.series.rows import Series, Told
from tiler.settings import TilerSettings

ALL = "NDVI,NDWIGAO,NDWIMCF,MNDWI"
PLACE = "/collections/sentinel-2-indices/timeseries/point/{!r},{!r}"


class Slow(socketserver.ThreadingTCPServer):
    """The store behind a slow line, which counts the requests that pass; deaf, it takes them and never answers."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: str, seconds: float, *, deaf: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Line)
        address = urlsplit(target)
        self.target = (address.hostname, address.port)
        self.seconds, self.deaf, self.requests = seconds, deaf, 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Line(socketserver.BaseRequestHandler):
    server: Slow

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as store:
            threading.Thread(target=self._back, args=(store,), daemon=True).start()
            while data := self.request.recv(65536):
                self.server.requests += data.count(b"GET /")
                time.sleep(self.server.seconds)
                if not self.server.deaf:
                    store.sendall(data)

    def _back(self, store: socket.socket) -> None:
        try:
            while data := store.recv(65536):
                self.request.sendall(data)
        except OSError:
            return


@contextmanager
def slow(settings, seconds, *, deaf=False):
    """Settings of a store behind a slow line, and the line."""
    with Slow(settings.s3_endpoint, seconds, deaf=deaf) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield settings.model_copy(update={"s3_endpoint": server.endpoint}), server
        server.shutdown()


@contextmanager
def served(settings, tiler):
    """The port of the service, run by uvicorn."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings, tiler), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@contextmanager
def client(settings, **tiler):
    with TestClient(create_app(settings, TilerSettings(**tiler)), raise_server_exceptions=False) as running:
        yield running
    use_store(settings)


def wait(until):
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def settled(line):
    """How many requests have passed, once no more come."""
    before = -1
    while line.requests != before:
        before = line.requests
        time.sleep(5 * line.seconds)
    return before


@pytest.mark.parametrize("suffix", ["", ".ndjson"])
def test_reading_stops_when_the_client_hangs_up(archive, suffix):
    path = PLACE.format(*archive.place(archive.UPPER, 100, 60)) + f"{suffix}?index={ALL}"
    with (
        slow(archive.settings, 0.2) as (settings, line),
        served(settings, TilerSettings(threads=1, requests=1)) as port,
    ):
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as patient:
            patient.request("GET", path)
            assert patient.getresponse().read()
        everything, line.requests = line.requests, 0
        assert everything == 20

        hasty = http.client.HTTPConnection("127.0.0.1", port)
        hasty.request("GET", path)
        wait(lambda: line.requests >= 2)
        hasty.close()
        assert 2 <= settled(line) < everything / 2


def test_a_posted_request_stops_too(archive):
    lon, lat = archive.place(archive.UPPER, 100, 60)
    body = json.dumps({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": {}})
    with (
        slow(archive.settings, 0.2) as (settings, line),
        served(settings, TilerSettings(threads=1, requests=1)) as port,
    ):
        hasty = http.client.HTTPConnection("127.0.0.1", port)
        hasty.request("POST", f"/collections/sentinel-2-indices/timeseries/statistics?index={ALL}", body)
        wait(lambda: line.requests >= 2)
        hasty.close()
        assert settled(line) < 10


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_first_rows_come_long_before_the_last_image_is_read(archive, encoding):
    path = PLACE.format(*archive.place(archive.UPPER, 100, 60)) + f".ndjson?index={ALL}"
    with (
        slow(archive.settings, 0.2) as (settings, line),
        served(settings, TilerSettings(threads=1, requests=1)) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port)) as patient,
    ):
        patient.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = patient.getresponse()
        assert answer.headers.get("content-encoding", "identity") == encoding
        unpack = zlib.decompressobj(31).decompress if encoding == "gzip" else bytes
        begun = unpack(answer.read1())
        so_far = line.requests
        lines = [json.loads(one) for one in (begun + unpack(answer.read())).splitlines()]

    assert b"\n" in begun
    assert so_far < line.requests / 2
    *rows, last = lines
    assert last["type"] == "summary"
    assert int(answer.headers["x-rows"]) == len(rows) == 16
    assert [row["datetime"] for row in rows] == sorted((row["datetime"] for row in rows), reverse=True)
    assert answer.headers["x-interval"] == f"{rows[-1]['datetime']}/{rows[0]['datetime']}"


def test_a_database_that_goes_away_meanwhile_is_told_on_the_last_line():
    def reading():
        yield []
        raise psycopg.OperationalError("terminating connection due to administrator command")

    frame = Series(request=parse_request("sentinel-2-indices", {}), rows=())
    (last,) = (json.loads(line) for line in stream(frame, _while_there(reading()), Told()))

    assert last["type"] == "error"
    assert "database" in last["detail"]
    assert "administrator" not in last["detail"]


def told_to_come_back(answer):
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["detail"]


@pytest.mark.parametrize("suffix", ["", ".ndjson", ".csv"])
@pytest.mark.parametrize("query", ["", "datetime=2025-01-05"])
def test_a_store_that_is_away_is_no_row_but_an_error(archive, suffix, query):
    away = archive.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    path = PLACE.format(*archive.place(archive.UPPER, 100, 60)) + f"{suffix}?{query}"
    with client(away, object_seconds=1) as running:
        assert "object store" in told_to_come_back(running.get(path))


def test_a_store_that_refuses_is_an_error(archive):
    stranger = archive.settings.model_copy(update={"aws_secret_access_key": SecretStr("wrong")})
    with client(stranger) as running:
        assert "refuses" in told_to_come_back(running.get(PLACE.format(*archive.place(archive.UPPER, 100, 60))))


def test_a_store_that_never_answers_is_given_up(archive):
    path = PLACE.format(*archive.place(archive.UPPER, 100, 60))
    with slow(archive.settings, 0, deaf=True) as (settings, _), client(settings, object_seconds=0.3) as running:
        told_to_come_back(running.get(path))


def test_a_database_that_is_away_is_an_error(archive):
    away = archive.settings.model_copy(update={"pg_dsn": "host=127.0.0.1 port=9 dbname=none"})
    with client(away) as running:
        assert "database" in told_to_come_back(running.get(PLACE.format(105, 12)))


def test_gdal_reads_for_so_long_and_no_longer(archive):
    path = PLACE.format(*archive.place(archive.UPPER, 100, 60))
    with connect(archive.settings) as connection:
        connection.execute("DELETE FROM sen2extract.blocks WHERE asset = 'NDVI'")
    try:
        with client(archive.settings, gdal_seconds=1e-9) as running:
            answer = running.get(path)
            lines = running.get(path.replace("point/", "point/") + ".ndjson")
        with client(archive.settings) as running:
            patient = running.get(path)
    finally:
        block_index.fill(archive.settings)

    assert set(answer.json()["data"]["status"]) == {"unreadable"}
    assert "reconcile --fix" in answer.json()["data"]["reason"][0]
    assert set(patient.json()["data"]["status"]) == {"ok", "masked"}
    assert patient.headers["x-unindexed-images"] == lines.headers["x-unindexed-images"] == "4"
    assert patient.json()["summary"]["unindexed"] == 4
    assert json.loads(lines.text.splitlines()[-1])["unindexed"] == 4


def test_one_answer_of_the_store_is_enough_to_believe_in_it():
    patience, store = Patience(), MemoryStore()
    for number in range(20):
        patience.failed(store, f"{number}.tif", SilentStoreError("silent"))  # it is asked: the object is not there
    patience.conclude(store)

    patience.check()
    patience.gone.set()
    with pytest.raises(GoneError):
        patience.check()


def test_what_is_lost_or_damaged_says_nothing_against_the_store():
    patience = Patience()
    for _ in range(20):
        patience.failed(None, "a.tif", UnreadableError("damaged"))
    patience.conclude(None)
    assert not issubclass(StoreAwayError, UnreadableError)
