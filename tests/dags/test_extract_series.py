"""Jobs as Airflow runs them, in the environment that has no web framework."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import obstore
import psycopg
import pytest
from pyproj import Transformer
from shapely.geometry import box, mapping

from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, expected
from stac import jobs
from tiler.series import objects
from tiler.series.batch import tasks as batch
from tiler.series.batch.documents import FEATURES, REQUEST, features_to_json, parameters_of
from tiler.series.batch.shelf import Shelf
from tiler.series.features import parse_features
from tiler.series.request import parse_request

pytestmark = [
    pytest.mark.usefixtures("airflow_database", "environment"),
    pytest.mark.filterwarnings("default"),
]
COLLECTION = "sentinel-2-indices"
PLACES = [(20, 30), (60, 70), (45, 10)]


def spec_of(day):
    return ProductSpec(sensing=datetime(2025, 1, day, 3, 11, 21, tzinfo=UTC), size=96, cloudiness=0.0)


@pytest.fixture(scope="module")
def published(archive, settings):
    """The archive in the catalogue; the store to look into."""
    for path in archive:
        assert ingest_product(str(path), settings=settings).state == "published"
    return objects.connect(settings, seconds=10)


@pytest.fixture
def job(published, settings, monkeypatch):
    """A job as the tiler hands it over: its files, and its row."""
    monkeypatch.setenv("TILER_JOB_CHUNK_ROWS", "2")
    job_id = str(uuid4())
    grid = spec_of(5).grid
    fine = grid.grid(10)
    move = Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform
    entries = [
        {
            "type": "Feature",
            "id": f"{row}-{col}",
            "geometry": {"type": "Point", "coordinates": move(fine.x[col], fine.y[row])},
        }
        for row, col in PLACES
    ]
    features = parse_features({"type": "FeatureCollection", "features": entries}, max_features=9, max_vertices=9)
    request = parse_request(COLLECTION, {"index": "NDVI", "mask": "none", "order": "oldest"})
    shelf = Shelf(store=published, job=job_id)
    shelf.put(FEATURES, features_to_json(features))
    told = {"collection": COLLECTION, "parameters": parameters_of(request), "features": len(features)}
    shelf.put(REQUEST, json.dumps(told).encode())
    with psycopg.connect(settings.pg_dsn) as connection:
        jobs.add(connection, job_id, digest=job_id, collection=COLLECTION, request=told, estimate=None)
    return job_id


@pytest.fixture(autouse=True)
def impatient(bag, monkeypatch):
    """Tries again without a pause."""
    for task in bag.dags["extract_series"].tasks:
        monkeypatch.setattr(task, "retry_delay", timedelta(0), raising=False)
        monkeypatch.setattr(task, "retry_exponential_backoff", 0, raising=False)


def run(bag, job_id):
    """Run the DAG to its end; returns the run's state and that of each task."""
    ended = bag.dags["extract_series"].test(run_conf={"job": job_id})
    return str(ended.state), {(ti.task_id, ti.map_index): str(ti.state) for ti in ended.get_task_instances()}


def told(settings, job_id):
    with psycopg.connect(settings.pg_dsn) as connection:
        return jobs.get(connection, job_id)


def rows(published, job_id):
    text = obstore.get(published, f"jobs/{job_id}/result.csv").bytes().to_bytes().decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_job_in_chunks_tells_the_values_of_the_products(bag, job, published, settings):
    state, tasks = run(bag, job)
    assert state == "success"
    assert {number for name, number in tasks if name == "extract"} == {0, 1, 2}
    found = told(settings, job)
    assert (found.status, found.chunks, found.done, found.rows) == ("succeeded", 3, 3, 6)
    made = rows(published, job)
    assert [row["feature_id"] for row in made] == ["20-30"] * 2 + ["60-70"] * 2 + ["45-10"] * 2
    for row in made:
        spec = spec_of(datetime.fromisoformat(row["datetime"]).day)
        place = tuple(map(int, row["feature_id"].split("-")))
        red, infrared = (int(expected(spec, band, *place)) - 1000 for band in ("B04", "B08"))
        assert float(row["mean"]) == pytest.approx((infrared - red) / (infrared + red), abs=1e-4)


def test_a_chunk_that_fails_makes_the_run_red_and_leaves_the_others(bag, job, published, settings):
    """Here by a place that is too large to be read, which no other try mends."""
    shelf = Shelf(store=published, job=job)
    assert batch.plan(job) == [0, 1, 2]
    places = shelf.read_json(FEATURES)
    places["features"][1]["geometry"] = mapping(box(100, 5, 110, 15))
    shelf.put(FEATURES, json.dumps(places).encode())
    state, tasks = run(bag, job)
    assert state == "failed"
    assert (tasks["extract", 0], tasks["extract", 1], tasks["finish", -1], tasks["verdict", -1]) == (
        "success",
        "failed",
        "success",
        "failed",
    )
    found = told(settings, job)
    assert (found.status, found.done, found.failed) == ("partial", 2, 1)
    assert found.failures[0]["features"] == ["60-70", "60-70"]
    assert "10.0 x 10.0 degrees" in found.failures[0]["reason"]
    assert {row["feature_id"] for row in rows(published, job)} == {"20-30", "45-10"}


def test_a_cancelled_job_is_a_green_run_without_a_result(bag, job, published, settings):
    with psycopg.connect(settings.pg_dsn) as connection:
        jobs.end(connection, job, "cancelled", "cancelled by its owner")
    state, tasks = run(bag, job)
    assert state == "success"
    assert tasks["verdict", -1] == "success"
    assert told(settings, job).status == "cancelled"
    assert not Shelf(store=published, job=job).has("result.csv")


def test_a_job_that_is_gone_makes_the_run_red(bag):
    state, tasks = run(bag, str(uuid4()))
    assert state == "failed"
    assert tasks["plan", -1] == "failed"


def test_old_jobs_are_removed(bag, job, published, settings):
    with psycopg.connect(settings.pg_dsn) as connection:
        jobs.end(connection, job, "cancelled")
        connection.execute("UPDATE sen2extract.job SET ended = now() - interval '40 days' WHERE id = %s", (job,))
    ended = bag.dags["expire_jobs"].test()
    assert str(ended.state) == "success"
    assert told(settings, job) is None
    assert not Shelf(store=published, job=job).has(REQUEST)
