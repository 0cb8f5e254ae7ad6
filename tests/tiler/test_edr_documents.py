"""What an OGC API - EDR client finds out by itself: validated by KNMI's models of the standard."""

import json
import math

import pytest
from edr_pydantic.capabilities import ConformanceModel, LandingPageModel
from edr_pydantic.collections import Collection, Collections
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tiler.edr_documents import collection_document
from tiler.errors import add_error_handlers
from tiler.series.errors import SeriesTooLargeError
from tiler.settings import TilerSettings

NAMES = ["sentinel-2-indices", "sentinel-2-l2a", "sentinel-2-l1c"]


def test_a_client_finds_its_way_from_the_landing_page_to_the_data(archive):
    landing = LandingPageModel.model_validate_json(archive.client.get("/").text)
    found = {link.rel: link.href for link in landing.links}
    classes = ConformanceModel.model_validate_json(archive.client.get(found["conformance"]).text).conformsTo
    assert "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core" in classes

    collections = Collections.model_validate_json(archive.client.get(found["data"]).text).collections
    assert [collection.id for collection in collections] == NAMES
    lon, lat = archive.place(archive.UPPER, 100, 60)
    for collection in collections:
        (itself,) = [link.href for link in collection.links if link.rel == "self"]
        assert Collection.model_validate_json(archive.client.get(itself).text) == collection
        position = collection.data_queries.position.link
        assert position.variables.default_output_format in collection.output_formats
        for name in ("NDVI", list(collection.parameter_names.root)[-1]):
            query = {"coords": f"POINT({lon} {lat})", "parameter-name": name, "crs": collection.crs[0]}
            answer = archive.client.get(position.href, params=query)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == position.type
            assert name in answer.json()["parameters"]
        west, south, east, north = collection.extent.spatial.bbox[0]
        assert west < lon < east
        assert south < lat < north
        assert collection.extent.temporal.interval[0][0].year == (2025 if collection.id == NAMES[2] else 2021)


def test_an_archive_that_holds_nothing_has_no_times():
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    document = collection_document({"id": NAMES[1], "extent": extent}, "https://eo.example.org/raster")

    assert "temporal" not in Collection.model_validate_json(json.dumps(document)).extent.model_dump(exclude_none=True)
    assert document["data_queries"]["area"]["link"]["href"].startswith("https://eo.example.org/raster/collections/")
    assert {"B04", "SCL", "NDVI"} <= set(document["parameter_names"])


@pytest.mark.parametrize("name", ["landsat", "sentinel-2-l2a'", "%00"])
def test_an_unknown_collection_is_named_with_the_choices(archive, name):
    answer = archive.client.get(f"/collections/{name}")

    assert answer.status_code == 404
    assert "choose from sentinel-2-indices" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("jobs", "airflow", "pixels"),
    [(True, "https://airflow.example.org", 0), (False, "https://airflow.example.org", 0), (True, "", 0)]
    + [(True, "https://airflow.example.org", pixels) for pixels in (4_000_001, math.inf)],
)
def test_what_is_too_large_leads_to_jobs_where_they_are_taken(jobs, airflow, pixels):
    app = FastAPI()
    app.state.tiler = TilerSettings(airflow_url=airflow, job_max_feature_pixels=4_000_000)
    wanted = jobs and airflow and not pixels
    add_error_handlers(app)

    @app.get("/collections/{collection_id}/series")
    def series(collection_id: str) -> None:
        raise SeriesTooLargeError(f"{collection_id}: 600 features", pixels=pixels, resolution=20 if pixels else None)

    if jobs:
        app.add_api_route("/collections/{collection_id}/timeseries/jobs", series, name="create_job", methods=["POST"])
    client = TestClient(app, base_url="https://eo.example.org", root_path="/raster")
    answer = client.get("/collections/x/series")

    href = "https://eo.example.org/raster/collections/x/timeseries/jobs"
    assert answer.status_code == 413
    assert answer.json().get("links") == ([{"rel": "jobs", "href": href, "method": "POST"}] if wanted else None)
    assert answer.json().get("resolution") == (20 if pixels else None)
    if jobs:
        assert "links" not in client.post("/collections/x/timeseries/jobs").json()
