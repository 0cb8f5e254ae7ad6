"""A file of places without its series: no database is needed for it."""

import pytest
from fastapi.testclient import TestClient

from stac.collections import INDICES
from tiler.app import create_app
from tiler.settings import TilerSettings


@pytest.fixture(scope="module")
def client() -> TestClient:
    # Without its lifespan: nothing is connected.
    return TestClient(create_app(tiler=TilerSettings(max_features=3, max_body_bytes=500)))


def test_a_csv_of_points_is_geojson_with_a_report(client: TestClient) -> None:
    body = "lon;lat;village\n104.9;11.5;Phnom Penh\n105;12;Kratié\n".encode()
    answer = client.post("/places", content=body, headers={"content-type": "text/csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geo+json"
    told = answer.json()
    assert [feature["geometry"] for feature in told["features"]] == [
        {"type": "Point", "coordinates": [104.9, 11.5]},
        {"type": "Point", "coordinates": [105.0, 12.0]},
    ]
    assert [feature["properties"]["village"] for feature in told["features"]] == ["Phnom Penh", "Kratié"]
    assert told["report"]["format"] == "CSV"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "send one of"),
        (b"\x89PNG", 400, "send one of"),
        (b"lon,lat\n" + b"1,2\n" * 4, 413, "at most 3"),
        (b"lon,lat\n" + b" " * 500, 413, "over 500 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    client: TestClient, body: bytes, status: int, said: str
) -> None:
    answer = client.post("/places", content=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert "links" not in answer.json()


def test_who_sent_a_file_in_no_known_system_can_be_asked(client: TestClient) -> None:
    table = ("sites.csv", b"x,y\n500000,1200000\n")
    refused = client.post("/places", files={"file": table})
    read = client.post("/places", files={"file": table, "crs": ("crs.prj", b"EPSG:32648")})

    assert (refused.status_code, refused.json()["code"]) == (400, "UnknownCoordinateSystem")
    assert (read.status_code, read.json()["report"]["crs"]) == (200, "EPSG:32648")


def test_of_a_file_too_large_a_job_can_be_made_where_there_are_jobs() -> None:
    tiler = TilerSettings(max_features=3, airflow_url="http://127.0.0.1:9")
    answer = TestClient(create_app(tiler=tiler)).post("/places", content=b"lon,lat\n" + b"1,2\n" * 4)
    assert answer.status_code == 413
    (link,) = answer.json()["links"]
    assert (link["rel"], link["method"]) == ("jobs", "POST")
    assert link["href"].endswith(f"/collections/{INDICES}/timeseries/jobs")
