"""What goes wrong at night: every product ends published or with a reason, and the next run completes it.

On the one embedded stack, with the tasks where Airflow runs them.
"""

import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import manager
import postgres
import pytest
from airflow_client import Airflow
from embedded import DAG
from fakes.provider import Fault

from ingest.sample import write_product
from stac import catalog, status
from stac.collections import INDICES, L2A
from stac.database import connect
from stac.settings import Settings

pytestmark = pytest.mark.timeout(1200)
PATIENCE = 600


@pytest.fixture(scope="module")
def settings(ingested):
    env = ingested.stack.env
    return Settings(
        pg_dsn=postgres.conninfo(env, env["PGDATABASE"]),
        s3_endpoint=env["S3_ENDPOINT"],
        s3_bucket=env["S3_BUCKET"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def products(ingested, settings, tmp_path):
    """A function that writes products of February into a folder of their own; all is undone in the end."""
    tmp_path.chmod(0o755)
    names = []

    def write(*days, size=192):
        specs = [
            replace(
                ingested.specs[0], sensing=datetime(2025, 2, day, 3, 11, 21, tzinfo=UTC), generation=None, size=size
            )
            for day in days
        ]
        names.extend(spec.name for spec in specs)
        return [write_product(spec, tmp_path) for spec in specs]

    yield write
    catalog.remove([(collection, name) for collection in (L2A, INDICES) for name in names], settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.ledger WHERE id = ANY(%s)", (names,))
    for name in names:
        shutil.rmtree(ingested.inbox / f"{name}.SAFE", ignore_errors=True)


@pytest.fixture
def airflow(ingested):
    with Airflow(ingested.stack.airflow_url) as airflow:
        yield airflow


def told(settings, paths):
    """State and reason of products, as the ledger has them."""
    known = {product.id: product for product in status.products(settings)}
    return {path.stem: (known[path.stem].state, known[path.stem].reason) for path in paths if path.stem in known}


def ended(airflow, dag, run):
    """Wait for the end of a run and return its state; an Airflow that is away for a moment is asked again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (state := airflow.state(dag, run)) in ("success", "failed"):
            return state
        time.sleep(1)
    raise TimeoutError(f"{dag} {run} has not ended after {PATIENCE} s")


def until(ready, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def test_of_products_of_which_half_are_bad_the_good_are_published_and_the_bad_named(ingested, products, settings):
    good, bad, fine, empty = products(1, 2, 3, 4)
    next(bad.rglob("*_B04_10m.jp2")).unlink()
    next(empty.rglob("MTD_TL.xml")).write_text("<n1:Level-2A_Tile_ID")
    # Red once: at the next run they are known, and named as such.
    for expected, named in (("failed", "troubles"), ("success", "known")):
        state, summary = ingested.ingest(good.parent)
        assert (state, {trouble["product"] for trouble in summary[named]}) == (expected, {bad.stem, empty.stem})
        found = told(settings, [good, bad, fine, empty])
        assert [found[path.stem][0] for path in (good, fine)] == ["published"] * 2
        assert [found[path.stem][0] for path in (bad, empty)] == ["invalid"] * 2
        assert "B04" in found[bad.stem][1]
    assert summary["states"] == {"invalid": 2, "unchanged": 2}
    # Fetched anew, they are whole.
    shutil.rmtree(good.parent / bad.name)
    products(2)
    assert ingested.ingest(good.parent)[1]["states"] == {"invalid": 1, "published": 1, "unchanged": 2}


def test_a_worker_that_is_killed_while_it_converts_leaves_its_product_to_the_next(
    ingested, products, settings, airflow
):
    (path,) = products(5, size=1098)
    run = airflow.trigger(DAG, {"inbox": str(path.parent), "batch_size": 1})
    worker = until(lambda: _worker(settings, path.stem), "nobody converts it")
    os.kill(worker, signal.SIGKILL)
    state = ended(airflow, DAG, run)
    found = told(settings, [path])[path.stem]
    assert (state, found[0]) in {("success", "published"), ("failed", "converting"), ("failed", "failed")}
    state, summary = ingested.ingest(path.parent)
    assert state == "success", summary
    assert told(settings, [path])[path.stem][0] == "published"


def _worker(settings, name):
    """The pid of the process that converts a product."""
    query = "SELECT owner FROM sen2extract.ledger WHERE id = %s AND state = 'converting'"
    with connect(settings) as connection:
        row = connection.execute(query, (name,)).fetchone()
    return int(row[0].split("/")[1]) if row and row[0] else 0


def test_a_database_that_ends_all_sessions_of_a_run_loses_nothing(ingested, products, settings, airflow):
    """As its tasks see a restart or a failover of the server; sessions of the services, which are older, stay."""
    paths = products(6, 7, size=1098)
    with connect(settings) as connection:
        (before,) = connection.execute("SELECT clock_timestamp()").fetchone()
    run = airflow.trigger(DAG, {"inbox": str(paths[0].parent), "batch_size": 1})
    until(lambda: any(_worker(settings, path.stem) for path in paths), "nobody converts them")
    with connect(settings) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_start > %s",
            (before,),
        )
    assert ended(airflow, DAG, run) in ("success", "failed")
    state, summary = ingested.ingest(paths[0].parent)
    assert state == "success", summary
    assert {path: state for path, (state, _) in told(settings, paths).items()} == {
        path.stem: "published" for path in paths
    }


def test_a_provider_that_refuses_leaves_the_queue_for_the_next_run(products, loopback_provider, settings, airflow):
    paths = products(8, 9)
    for path in paths:
        loopback_provider.add(path)
        shutil.rmtree(path)
    # Refused, and not only away for a while: that is not worth the pauses of five tries.
    loopback_provider.faults = [Fault("/eodata/", status=403, times=10_000)]
    try:
        days = {"tiles": ["48PWU"], "start": "2025-02-08", "end": "2025-02-09"}
        airflow.wait_for_dag("download_products", seconds=300)
        run = airflow.trigger("discover_products", days)
        assert ended(airflow, "discover_products", run) == "success"
        until(lambda: _refused(settings, paths), "nobody tries to fetch them")
        loopback_provider.forget()
        airflow.trigger("download_products", {})
        until(lambda: {state for state, _ in told(settings, paths).values()} == {"published"}, told(settings, paths))
    finally:
        loopback_provider.forget()
        for path in paths:
            loopback_provider.products.pop(path.stem)


def _refused(settings, paths):
    found = told(settings, paths)
    return len(found) == len(paths) and all(state == "failed" and "403" in reason for state, reason in found.values())


class Searches:
    """A client that searches without pause; what it was answered, and how often nobody did."""

    def __init__(self, url):
        self.codes, self.unanswered = set(), 0
        self._url, self._end = url, threading.Event()
        self._thread = threading.Thread(target=self._search)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _search(self):
        while not self._end.wait(0.05):
            try:
                answer = httpx.get(f"{self._url}/stac/search", params={"limit": 1}, timeout=60, trust_env=False)
            except httpx.TransportError:
                self.unanswered += 1
            else:
                self.codes.add(answer.status_code)


def test_all_processes_that_are_killed_answer_again_by_themselves(ingested):
    """As the kernel does it when memory runs out; nobody says `make up`."""
    stack, client = ingested.stack, ingested.client
    before = manager.states(stack)
    found = client.get("/stac/search").json()["numberMatched"]
    beats = _heartbeats(stack)
    with Searches(stack.url) as searches:
        for state in before.values():
            os.kill(state.pid, signal.SIGKILL)
        until(lambda: _started_again(before, manager.states(stack)), "not all are started again")
        until(lambda: _ready(stack), "not all are ready again")
    assert searches.codes <= {200, 502, 503}
    assert 200 in searches.codes
    assert searches.unanswered, "the gateway was not away"
    assert client.get("/stac/search").json()["numberMatched"] == found
    until(lambda: all(new > old for new, old in zip(_heartbeats(stack), beats, strict=True)), "Airflow's heart stands")
    state, summary = ingested.ingest(ingested.inbox)
    assert (state, summary["states"]) == ("success", {"unchanged": len(ingested.specs)})


def _started_again(before, now):
    return all(now[name].state == "running" and now[name].restarts > old.restarts for name, old in before.items())


def _ready(stack):
    try:
        ready = httpx.get(f"{stack.url}/readyz", timeout=10, trust_env=False).is_success
        return ready and httpx.get(f"{stack.airflow_url}/api/v2/version", timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _heartbeats(stack):
    """When scheduler, DAG processor and triggerer were last alive."""
    health = httpx.get(f"{stack.airflow_url}/api/v2/monitor/health", timeout=10, trust_env=False).json()
    names = ("scheduler", "dag_processor", "triggerer")
    return [datetime.fromisoformat(health[name][f"latest_{name}_heartbeat"]) for name in names]
