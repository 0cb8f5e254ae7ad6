"""From a provider to a curve, with nothing but Airflow in between: one run wakes the next."""

import csv
import io
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import postgres
import pytest
from airflow_client import Airflow

from ingest.sample import write_product
from stac import catalog
from stac.collections import INDICES, L2A
from stac.database import connect
from stac.settings import Settings

pytestmark = pytest.mark.timeout(900)
SERIES = f"/raster/collections/{INDICES}/timeseries/point/105.4,11.9.csv"
CONF = {"tiles": ["48PWU"], "start": "2025-01-17", "end": "2025-01-31"}


@pytest.fixture
def offered(ingested, loopback_provider, tmp_path):
    """Two products that only the provider has; what becomes of them here is undone in the end."""
    days = (datetime(2025, 1, day, 3, 11, 21, tzinfo=UTC) for day in (20, 25))
    specs = [replace(ingested.specs[0], sensing=day, generation=None) for day in days]
    for spec in specs:
        loopback_provider.add(write_product(spec, tmp_path))
    yield specs
    env = ingested.stack.env
    settings = Settings(pg_dsn=postgres.conninfo(env, env["PGDATABASE"]))
    names = [spec.name for spec in specs]
    catalog.remove([(collection, name) for collection in (L2A, INDICES) for name in names], settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.ledger WHERE id = ANY(%s)", (names,))
    for name in names:
        shutil.rmtree(Path(env["INGEST_INBOX"]) / f"{name}.SAFE", ignore_errors=True)


def dates(running):
    answer = running.client.get(SERIES, params={"index": "NDVI", "mask": "none"})
    assert answer.status_code == 200
    return {line["datetime"][:10]: line["status"] for line in csv.DictReader(io.StringIO(answer.text))}


def discover(running):
    """Run `discover_products` to its end; returns its state and what it found."""
    with Airflow(running.stack.airflow_url) as airflow:
        airflow.wait_for_dag("discover_products", seconds=300)
        run = airflow.trigger("discover_products", CONF)
        states = [state for state, _ in airflow.follow("discover_products", run, mapped="search")]
        return states[-1], airflow.result("discover_products", run, "search")


def wait(running, wanted):
    deadline = time.monotonic() + 600
    while not wanted <= (found := dates(running)).keys():
        assert time.monotonic() < deadline, found
        time.sleep(2)
    return found


def test_discover_download_ingest_and_the_series_shows_the_new_dates(ingested, offered, loopback_provider):
    before = dates(ingested)
    state, found = discover(ingested)
    assert (state, found["wanted"], found["new"]) == ("success", len(offered), len(offered))
    new = {f"{spec.sensing:%Y-%m-%d}" for spec in offered}
    assert new.isdisjoint(before)
    after = wait(ingested, new)
    assert after == {**before, **dict.fromkeys(new, "ok")}
    products = ingested.client.get("/stac/status/products").json()["products"]
    states = {product["id"]: product["state"] for product in products}
    assert {states[spec.name] for spec in offered} == {"published"}

    loopback_provider.forget()
    state, found = discover(ingested)
    assert (state, found["wanted"], found["not_wanted"]) == ("success", 0, {"held already": len(offered)})
    assert loopback_provider.files() == []
    assert dates(ingested) == after
