"""Jobs from request to results: the service, the tasks as Airflow calls them, real bucket and database."""

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import obstore
import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from stac import jobs
from tiler.app import create_app
from tiler.jobs.airflow import Airflow
from tiler.series import objects, pieces
from tiler.series.batch import tasks
from tiler.series.batch.shelf import Shelf
from tiler.series.limits import Limits
from tiler.settings import TilerSettings

sys.path.append(str(Path(__file__).parent))
import airflow_stand_in

JOBS = "/collections/sentinel-2-indices/timeseries/jobs"
STATISTICS = "/collections/sentinel-2-indices/timeseries/statistics"


class Jobs:
    """A client of a service with Airflow's stand-in, and what Airflow would do."""

    def __init__(self, client, airflow, archive, store):
        self.client, self.airflow, self.archive, self.store = client, airflow, archive, store

    def create(self, body, **query):
        answer = self.client.post(JOBS, params=query, json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def run(self, job):
        """As `dags/extract_series.py` does."""
        for number in tasks.plan(job):
            tasks.extract(job, number)
        return tasks.finish(job)

    def get(self, job):
        answer = self.client.get(f"{JOBS}/{job}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def file(self, job, name):
        (link,) = [one for one in self.get(job)["links"] if one.get("title") == name]
        assert link["rel"] == "enclosure"
        bucket = self.archive.settings.s3_public_url
        content = obstore.get(self.store, link["href"].removeprefix(f"{bucket}/")).bytes().to_bytes()
        assert len(content) == link["file:size"]
        return content

    def keys(self, job):
        folder = f"jobs/{job}".rstrip("/")
        return sorted(entry["path"] for batch in obstore.list(self.store, folder) for entry in batch)

    @contextmanager
    def changed(self, **state):
        """The service with another state for a while."""
        before = {name: getattr(self.client.app.state, name) for name in state}
        for name, value in state.items():
            setattr(self.client.app.state, name, value)
        yield
        for name, value in before.items():
            setattr(self.client.app.state, name, value)

    def execute(self, statement, *values):
        with psycopg.connect(self.archive.settings.pg_dsn) as connection:
            return connection.execute(statement, values)


@pytest.fixture(scope="module")
def running(archive) -> Iterator[Jobs]:
    with airflow_stand_in.serve() as airflow:
        tiler = TilerSettings(airflow_url=airflow.url, airflow_user="tiler", airflow_password=SecretStr("s3cret"))
        store = objects.connect(archive.settings, seconds=10)
        with TestClient(create_app(archive.settings, tiler), raise_server_exceptions=False) as client:
            yield Jobs(client, airflow, archive, store)


@pytest.fixture
def service(running, monkeypatch) -> Iterator[Jobs]:
    """The service and the tasks' environment; no job is left from one test to the next."""
    for name, value in running.archive.settings.model_dump().items():
        monkeypatch.setenv(name.upper(), value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    # Small chunks, so that a few rows make several.
    monkeypatch.setenv("TILER_JOB_CHUNK_ROWS", "15")
    monkeypatch.setenv("TILER_JOB_CHUNK_PIXEL_READS", "700")
    yield running
    running.execute("DELETE FROM sen2extract.job")
    for batch in obstore.list(running.store, "jobs"):
        obstore.delete(running.store, [entry["path"] for entry in batch])
    running.airflow.runs.clear()
    running.airflow.logins.clear()
    running.airflow.broken = 0


@pytest.fixture
def sites(archive):
    """Points and fields in both tiles, one nowhere near."""
    found = []
    for number, (row, column) in enumerate([(100, 100), (20, 330), (350, 200), (180, 40)]):
        lon, lat = archive.place(archive.UPPER, row, column)
        if number % 2:
            geometry = {"type": "Point", "coordinates": [lon, lat]}
        else:
            ring = [(lon, lat), (lon + 0.012, lat), (lon + 0.012, lat + 0.012), (lon, lat + 0.012), (lon, lat)]
            geometry = {"type": "Polygon", "coordinates": [[list(corner) for corner in ring]]}
        properties = {"crop": ["rice", "maize"][number % 2], "area": number or None}
        found.append({"type": "Feature", "id": f"site {number}", "geometry": geometry, "properties": properties})
    far = {"type": "Feature", "id": "far", "geometry": {"type": "Point", "coordinates": [2.3, 48.8]}, "properties": {}}
    return {"type": "FeatureCollection", "features": [*found, far]}


def csv_of(content):
    return pd.read_csv(io.BytesIO(content))


@pytest.mark.parametrize(
    "query",
    [
        {"index": "NDVI,NDRE", "percentiles": "10,50,90"},
        {"index": "NDVI", "step": "P1M", "order": "oldest"},
        {"index": "NDVI", "smooth": "savgol", "mask": "none"},
        {"index": "NDVI,MNDWI", "profile": "wide"},
        {"index": "NDVI", "profile": "sen2chain"},
        {"index": "NDVI", "profile": "excel", "min_valid": "0.5"},
        {"index": "NDVI", "resolution": "20"},
    ],
    ids=lambda query: "-".join(query.values()),
)
def test_results_equal_those_of_one_request(service, sites, query):
    """Cut into chunks by features and dates, and put together again, not a byte differs."""
    job = service.create(sites, **query)
    assert job["status"] == "queued"
    ended = service.run(job["id"])
    assert ended == {"status": "succeeded", "message": None}
    told = service.get(job["id"])
    assert told["status"] == "succeeded"
    assert told["progress"]["chunks"] == told["progress"]["done"] > 3
    whole = service.client.post(f"{STATISTICS}.csv", params=query, json=sites).content
    assert service.file(job["id"], "result.csv").decode() == whole.decode()
    one = service.client.post(f"{STATISTICS}.parquet", params=query, json=sites).content
    made, asked = (pq.read_table(io.BytesIO(content)) for content in (service.file(job["id"], "result.parquet"), one))
    assert made.to_pylist() == asked.to_pylist()
    shapes = json.loads(service.file(job["id"], "result.geojson"))
    drawn = service.client.post(f"{STATISTICS}.geojson", params=query, json=sites).json()
    assert shapes["features"] == drawn["features"]
    assert shapes["query"] == drawn["query"]


def test_a_district_too_large_for_a_request_is_read_whole_by_a_job(service, sites, monkeypatch):
    """In pieces, at full resolution; to the digit that is written it is what one request would say without a limit."""
    district = {"type": "FeatureCollection", "features": [one for one in sites["features"] if one["id"] == "site 0"]}
    whole = csv_of(service.client.post(f"{STATISTICS}.csv", json=district).content)
    engine = service.client.app.state.series
    monkeypatch.setattr(engine, "limits", Limits(feature_pixels=10, job_pixels=10_000))
    monkeypatch.setattr(pieces, "WHOLE", 10)
    monkeypatch.setattr(pieces, "SIDE", 3)
    refused = service.client.post(f"{STATISTICS}.csv", json=district)
    assert refused.status_code == 413
    (link,) = refused.json()["links"]
    assert (link["rel"], urlsplit(link["href"]).path) == ("jobs", JOBS)
    assert "send it as a job, which reads up to 10000 " in refused.json()["detail"]
    job = service.create(district)["id"]
    assert service.run(job)["status"] == "succeeded"
    found = csv_of(service.file(job, "result.csv"))
    assert set(found.status) >= {"ok"}
    pd.testing.assert_frame_equal(found, whole, rtol=0, atol=1.01e-6)


def test_types_are_the_same_in_every_part(service, sites):
    job = service.create(sites)
    service.run(job["id"])
    schema = pq.read_schema(io.BytesIO(service.file(job["id"], "result.parquet")))
    assert str(schema.field("datetime").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("area").type) == "int64"
    assert str(schema.field("mean").type) == "double"
    assert str(schema.field("crop").type) in ("string", "large_string")


def test_the_document_says_how_it_is_and_what_to_do(service, sites):
    answer = service.client.post(JOBS, params={"index": "ndvi"}, json=sites, headers={"Origin": "https://a.example"})
    job = answer.json()
    assert answer.headers["location"] == job["links"][0]["href"]
    assert {"location", "retry-after"} <= {
        name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")
    }
    assert urlsplit(answer.headers["location"]).path == f"{JOBS}/{job['id']}"
    assert service.airflow.runs == {job["id"]: "queued"}
    assert job["progress"] == {"chunks": None, "done": 0, "failed": 0, "rows": 0}
    assert job["request"]["index"] == "NDVI"
    assert job["request"]["features"] == 5
    assert job["estimate"]["exact"]
    assert [link["rel"] for link in job["links"]] == ["self", "cancel"]
    assert job["ended"] is None

    service.run(job["id"])
    told = service.get(job["id"])
    rows = csv_of(service.file(job["id"], "result.csv"))
    assert told["progress"]["rows"] == job["estimate"]["rows"] == len(rows)
    files = [link["title"] for link in told["links"] if link["rel"] == "enclosure"]
    assert files == ["result.csv", "result.parquet", "result.geojson", "bundle.zip"]
    results = service.client.get(f"{JOBS}/{job['id']}/results").json()
    assert [link["title"] for link in results["links"] if link["rel"] == "enclosure"] == files
    assert told["expires"] > told["ended"] >= told["created"]


def test_the_bundle_explains_itself(service, sites):
    job = service.create(sites, index="NDVI")
    service.run(job["id"])
    with zipfile.ZipFile(io.BytesIO(service.file(job["id"], "bundle.zip"))) as bundle:
        texts = {name: bundle.read(name) for name in bundle.namelist()}
    rows = csv_of(texts["result.csv"])
    assert texts["result.csv"] == service.file(job["id"], "result.csv")
    items = csv_of(texts["items.csv"])
    assert set(items.item_id) == {item for joined in rows.item_id for item in joined.split()}
    specs = {spec.name: spec for spec in (service.archive.UPPER, service.archive.LOWER, service.archive.REPROCESSED)}
    for item, spec in specs.items():
        (baseline,) = items[items.item_id == item].baseline
        assert f"{float(baseline):05.2f}" == spec.baseline
    assert b"Contains modified Copernicus Sentinel data 2021, 2025." in texts["CITATION.txt"]
    assert b"Contains modified Copernicus Sentinel data" in texts["README.txt"]
    asked = json.loads(texts["request.json"])
    again = service.client.post(f"{STATISTICS}.csv", params=asked["parameters"], content=texts["features.geojson"])
    assert again.content == texts["result.csv"]


def test_a_job_at_work_on_the_same_is_not_begun_twice(service, sites):
    first = service.create(sites, index="NDVI")
    assert service.create(sites, index="ndvi")["id"] == first["id"]
    assert service.create(sites, index="MNDWI")["id"] != first["id"]
    service.run(first["id"])
    assert service.create(sites, index="NDVI")["id"] != first["id"]


def test_a_failed_chunk_loses_no_other_and_is_finished_by_a_second_run(service, sites, monkeypatch):
    job = service.create(sites)["id"]
    numbers = tasks.plan(job)
    with monkeypatch.context() as patched:
        patched.setenv("S3_BUCKET", "nowhere")
        with pytest.raises(Exception, match=r"plan\.json"):
            tasks.extract(job, numbers[0], last_try=True)
    for number in numbers[2:]:
        tasks.extract(job, number)
    ended = tasks.finish(job)
    assert ended["status"] == "partial"
    assert "2 chunks failed" in ended["message"]
    with pytest.raises(tasks.JobError, match="partial: 2 chunks failed"):
        tasks.verdict(ended)
    told = service.get(job)
    assert told["progress"]["failed"] == 1
    assert "plan.json" in told["failures"][0]["reason"]
    assert "without a word" in told["failures"][1]["reason"]
    assert told["failures"][0]["features"][0] == "site 0"
    lost = csv_of(service.file(job, "failures.csv"))
    assert set(lost.status) == {"failed"}
    kept = csv_of(service.file(job, "result.csv"))
    assert len(kept) == told["progress"]["rows"] > 0

    # Cleared in Airflow, the run keeps to its plan and to what is done.
    parts = {key: obstore.head(service.store, key)["last_modified"] for key in service.keys(job) if "/parts/" in key}
    assert service.run(job)["status"] == "succeeded"
    after = {key: obstore.head(service.store, key)["last_modified"] for key in parts}
    assert after == parts
    told = service.get(job)
    assert told["status"] == "succeeded"
    assert told["failures"] == []
    assert "failures.csv" not in [link.get("title") for link in told["links"]]
    whole = service.client.post(f"{STATISTICS}.csv", json=sites).content
    assert service.file(job, "result.csv") == whole


def test_a_part_that_is_there_is_not_read_again(service, sites):
    """Killed after its part was written and before that was noted, a chunk is only counted."""
    job = service.create(sites)["id"]
    numbers = tasks.plan(job)
    first = tasks.extract(job, numbers[0])
    service.execute("DELETE FROM sen2extract.job_chunk")
    (part,) = [key for key in service.keys(job) if "/parts/" in key]
    before = obstore.head(service.store, part)
    assert tasks.extract(job, numbers[0]) == first
    assert obstore.head(service.store, part) == before
    # One that is damaged is.
    service.execute("DELETE FROM sen2extract.job_chunk")
    whole = obstore.get(service.store, part).bytes().to_bytes()
    obstore.put(service.store, part, whole[:-9])
    assert tasks.extract(job, numbers[0]) == first
    assert obstore.get(service.store, part).bytes().to_bytes() == whole


def test_rows_that_cannot_be_read_are_told(service, sites):
    archive = service.archive
    path = archive.path("sentinel-2-indices", archive.EDGE.name, "NDVI")
    key = path.removeprefix(f"/vsis3/{archive.settings.s3_bucket}/")
    content = obstore.get(service.store, key).bytes().to_bytes()
    obstore.delete(service.store, key)
    try:
        job = service.create(sites)["id"]
        ended = service.run(job)
        assert ended["status"] == "partial"
        told = service.get(job)
        assert archive.EDGE.name in told["failures"][0]["item"]
        assert key in told["failures"][0]["reason"]
        lost = csv_of(service.file(job, "failures.csv"))
        assert set(lost.status) == {"unreadable"}
        assert set(lost.item_id) == {archive.EDGE.name}
    finally:
        obstore.put(service.store, key, content)
    # Gone on with, only that date is read.
    more = service.create({"again": job})
    assert service.run(more["id"])["status"] == "succeeded"
    plan = Shelf(store=service.store, job=more["id"]).read_json("plan.json")
    read = {place for one in plan["chunks"] if not one["numbers"] for span in one["ranges"] for place in range(*span)}
    assert {item for place in read for item in plan["passes"][place]["items"]} == {archive.EDGE.name}
    whole = service.client.post(f"{STATISTICS}.csv", json=sites).content
    assert service.file(more["id"], "result.csv") == whole


def test_gone_on_with_nothing_new_reads_nothing(service, sites, monkeypatch):
    job = service.create(sites, index="NDVI,NDRE", min_valid="0.3")["id"]
    service.run(job)
    more = service.create({"again": job})
    assert more["id"] != job
    assert more["request"]["again"] == job
    assert more["request"]["index"] == "NDVI,NDRE"
    numbers = tasks.plan(more["id"])
    plan = Shelf(store=service.store, job=more["id"]).read_json("plan.json")
    assert all(one["numbers"] for one in plan["chunks"])
    # With the engine out of order, not even the catalogue could be asked.
    monkeypatch.setattr("tiler.series.engine.Engine.plan", None)
    for number in numbers:
        tasks.extract(more["id"], number)
    assert tasks.finish(more["id"])["status"] == "succeeded"
    assert service.file(more["id"], "result.csv") == service.file(job, "result.csv")


def test_gone_on_with_after_a_new_acquisition_reads_that_one(service, sites):
    archive = service.archive
    hide = "UPDATE pgstac.items SET content = jsonb_set(content, '{properties,deprecated}', %s) WHERE id = %s"
    service.execute(hide, "true", archive.UPPER.name)
    try:
        job = service.create(sites)["id"]
        service.run(job)
    finally:
        service.execute(hide, "false", archive.UPPER.name)
    assert archive.UPPER.name not in service.file(job, "result.csv").decode()
    more = service.create({"again": job})["id"]
    service.run(more)
    plan = Shelf(store=service.store, job=more).read_json("plan.json")
    read = [one for one in plan["chunks"] if not one["numbers"]]
    items = {
        item for one in read for span in one["ranges"] for p in range(*span) for item in plan["passes"][p]["items"]
    }
    assert archive.UPPER.name in items
    assert items <= {archive.UPPER.name, archive.LOWER.name}  # its overpass, whose rows may be of both tiles
    whole = service.client.post(f"{STATISTICS}.csv", json=sites).content
    assert service.file(more, "result.csv") == whole


def test_a_cancelled_job_stops(service, sites):
    job = service.create(sites)["id"]
    numbers = tasks.plan(job)
    tasks.extract(job, numbers[0])
    answer = service.client.delete(f"{JOBS}/{job}")
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert service.airflow.runs == {job: "failed"}
    assert "skipped" in tasks.extract(job, numbers[1])
    assert tasks.plan(job) == []
    ended = tasks.finish(job)
    assert ended["status"] == "cancelled"
    assert tasks.verdict(ended).startswith("cancelled")
    assert service.get(job)["status"] == "cancelled"
    assert [link["rel"] for link in service.get(job)["links"]] == ["self", "delete"]
    # Ended, it is removed with its files.
    assert service.client.delete(f"{JOBS}/{job}").status_code == 204
    assert service.client.get(f"{JOBS}/{job}").status_code == 404
    assert service.keys(job) == []
    with pytest.raises(tasks.JobError, match="has been removed"):
        tasks.plan(job)


def test_it_can_be_cancelled_while_airflow_is_away(service, sites):
    job = service.create(sites)["id"]
    service.airflow.broken = 503
    assert service.client.delete(f"{JOBS}/{job}").json()["status"] == "cancelled"


@pytest.mark.parametrize("broken", [500, 403, 404])
def test_airflow_away_leaves_no_half_job(service, sites, broken):
    service.airflow.broken = broken
    answer = service.client.post(JOBS, json=sites)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "Airflow" in answer.json()["detail"]
    assert "secret" not in answer.text
    assert service.keys("") == service.execute("SELECT id FROM sen2extract.job").fetchall() == []


def test_airflow_that_does_not_listen_is_away(service, sites, free_port):
    tiler = TilerSettings(airflow_url=f"http://127.0.0.1:{free_port()}")
    with Airflow.of(tiler) as airflow, service.changed(airflow=airflow):
        answer = service.client.post(JOBS, json=sites)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert service.keys("") == []


def test_a_server_without_airflow_says_what_to_set(service, sites):
    with service.changed(tiler=TilerSettings()):
        answer = service.client.post(JOBS, json=sites)
        assert answer.status_code == 503
        assert "TILER_AIRFLOW_URL" in answer.json()["detail"]
        assert service.client.get(JOBS).json()["limits"]["available"] is False


def test_an_expired_token_is_renewed(service, sites):
    service.create(sites)
    service.airflow.token = "second"
    service.airflow.logins.clear()
    service.create(sites, index="MNDWI")
    assert len(service.airflow.runs) == 2
    assert service.airflow.logins == ["POST tiler s3cret"]


@pytest.mark.parametrize(("state", "told"), [("failed", "its log tells why"), (None, "does not know the job")])
def test_a_job_that_died_in_airflow_is_told_failed(service, sites, state, told):
    job = service.create(sites)["id"]
    if state:
        service.airflow.runs[job] = state
    else:
        del service.airflow.runs[job]
    assert service.get(job)["status"] == "queued"
    service.execute("UPDATE sen2extract.job SET updated = now() - interval '1 min', checked = now() - interval '1 min'")
    found = service.get(job)
    assert found["status"] == "failed"
    assert told in found["message"]


def test_a_job_that_moves_slowly_is_left_alone(service, sites):
    job = service.create(sites)["id"]
    service.execute("UPDATE sen2extract.job SET updated = now() - interval '1 min', checked = now() - interval '1 min'")
    assert service.get(job)["status"] == "queued"


def test_only_who_knows_the_id_sees_a_job(service, sites):
    one, other = service.create(sites)["id"], service.create(sites, index="MNDWI")["id"]
    assert service.client.get(JOBS).json()["jobs"] == []
    found = service.client.get(JOBS, params={"ids": f"{one},{'0' * 8}-0000-0000-0000-{'0' * 12},nonsense"}).json()
    assert [job["id"] for job in found["jobs"]] == [one]
    assert found["limits"]["features"] == 20_000
    both = service.client.get(JOBS, params={"ids": f"{one},{other}"}).json()["jobs"]
    assert {job["id"] for job in both} == {one, other}
    elsewhere = service.client.get(f"/collections/sentinel-2-l2a/timeseries/jobs/{one}")
    assert elsewhere.status_code == 404


@pytest.mark.parametrize("job", ["nonsense", "%00", "0" * 500, "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("DELETE", ""), ("GET", "/results")])
def test_an_unknown_job_is_a_404(service, job, method, end):
    answer = service.client.request(method, f"{JOBS}/{job}{end}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "query", "status", "told"),
    [
        (b"", {}, 400, "no JSON"),
        (b"{", {}, 400, "no JSON"),
        (b"[" * 100_000, {}, 400, "no JSON"),
        (b'{"again": 5}', {}, 400, "id of a job"),
        (b'{"again": "nonsense"}', {}, 404, "an id looks like"),
        (b'{"again": "00000000-0000-0000-0000-000000000000"}', {}, 404, "no job"),
        (b'{"again": "00000000-0000-0000-0000-000000000000"}', {"index": "NDVI"}, 400, "index cannot be changed"),
        (b'{"type": "FeatureCollection", "features": []}', {}, 400, "holds no feature"),
        (b"PK\x03\x04 nothing", {}, 400, "the zip is broken"),
        (b'{"type": "Point", "coordinates": [105, 12]}', {"index": "NOPE"}, 400, "NDVI"),
        (b'{"type": "Point", "coordinates": [105, 12]}', {"nope": "1"}, 400, "unknown parameter"),
    ],
)
def test_what_makes_no_sense_is_refused(service, body, query, status, told):
    answer = service.client.post(JOBS, params=query, content=body)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]
    assert service.airflow.runs == {}


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("job_max_features", 4),
        ("job_max_vertices", 9),
        ("job_max_rows", 3),
        ("job_max_pixel_reads", 5),
        ("job_max_feature_pixels", 100),
        ("job_max_body_bytes", 100),
    ],
)
def test_limits_are_told_with_the_numbers(service, sites, name, most):
    tiler = TilerSettings(airflow_url=service.airflow.url, **{name: most})
    with service.changed(tiler=tiler):
        answer = service.client.post(JOBS, json=sites)
    assert answer.status_code == 413
    assert re.search(rf"(at most|over) {most}\b", answer.json()["detail"])
    assert service.airflow.runs == {}


@pytest.mark.parametrize(("size", "told"), [(3.5, "3.5 x 3.5 degrees"), (2, "are read by a job: split it")])
def test_a_feature_too_large_is_refused_before_the_catalogue_is_asked(service, size, told):
    away = service.archive.settings.model_copy(
        update={"pg_dsn": psycopg.conninfo.make_conninfo(service.archive.settings.pg_dsn, port=1)}
    )
    body = {"type": "Polygon", "coordinates": [[[104, 11], [104 + size, 11], [104, 11 + size], [104, 11]]]}
    tiler = TilerSettings(airflow_url=service.airflow.url)
    with TestClient(create_app(away, tiler), raise_server_exceptions=False) as client:
        answer = client.post(JOBS, params={"explain": "true"}, json=body)
    assert (answer.status_code, told in answer.json()["detail"]) == (413, True), answer.text


def test_explain_tells_the_cost_and_makes_no_job(service, sites):
    answer = service.client.post(JOBS, params={"explain": "true"}, json=sites)
    assert answer.status_code == 200
    told = answer.json()
    assert told["estimate"]["exact"]
    assert told["estimate"]["objects"] > 0
    assert service.airflow.runs == {}
    assert service.keys("") == []


def test_many_features_are_taken_and_the_estimate_is_close(service):
    archive = service.archive
    places = [archive.place(archive.UPPER, row, 40 + row) for row in range(1, 60)]
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": {}}
        for place in places * 5
    ]
    answer = service.client.post(
        JOBS, params={"explain": "true"}, json={"type": "FeatureCollection", "features": features}
    )
    told = answer.json()["estimate"]
    assert told["features"] == 295
    assert not told["exact"]
    one = service.client.post(
        STATISTICS, params={"explain": "true"}, json={"type": "FeatureCollection", "features": features[:59]}
    ).json()
    assert told["acquisitions"] == pytest.approx(5 * one["acquisitions"], rel=0.2)


def test_a_file_with_a_flaw_is_taken_and_reported(service):
    lon, lat = service.archive.place(service.archive.UPPER, 100, 100)
    table = f"name,longitude,latitude\na,{lon},{lat}\nb,,\n".encode()
    answer = service.client.post(JOBS, files={"file": ("places.csv", table, "text/csv")})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["request"]["upload"]["left_out"] == 1
    assert "1 left out" in answer.headers["x-upload-report"]
    service.run(job["id"])
    assert set(csv_of(service.file(job["id"], "result.csv")).name) == {"a"}


def test_geojson_that_would_repeat_too_much_is_left_out_with_a_note(service, sites, monkeypatch):
    monkeypatch.setattr("tiler.series.batch.writers.write.__kwdefaults__", {"most_vertices": 20})
    job = service.create(sites)["id"]
    ended = service.run(job)
    assert ended["status"] == "succeeded"
    assert "result.geojson is left out" in ended["message"]
    assert "result.geojson" not in [link.get("title") for link in service.get(job)["links"]]


def test_old_jobs_are_removed_with_their_files(service, sites):
    old, young = service.create(sites)["id"], service.create(sites, index="MNDWI")["id"]
    service.run(old)
    service.run(young)
    service.execute("UPDATE sen2extract.job SET ended = now() - interval '31 days' WHERE id = %s", old)
    assert tasks.expire() == 1
    assert service.keys(old) == []
    assert service.client.get(f"{JOBS}/{old}").status_code == 404
    assert service.get(young)["status"] == "succeeded"
    assert service.file(young, "result.csv")


def test_a_place_without_images_is_an_empty_result(service):
    job = service.create({"type": "Point", "coordinates": [2.3, 48.8]})
    assert job["estimate"]["rows"] == 0
    assert service.run(job["id"])["status"] == "succeeded"
    assert len(csv_of(service.file(job["id"], "result.csv"))) == 0
    assert pq.read_table(io.BytesIO(service.file(job["id"], "result.parquet"))).num_rows == 0
    assert json.loads(service.file(job["id"], "result.geojson"))["features"] == []


def test_every_status_is_known_to_the_database(service):
    for number, status in enumerate(jobs.STATUSES):
        service.execute(
            "INSERT INTO sen2extract.job (id, digest, collection, status, request) VALUES (%s, %s, 'c', %s, '{}')",
            str(number),
            str(number),
            status,
        )
