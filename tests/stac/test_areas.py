"""Watched areas: kept by the operator, over the API by the writer only; anyone may ask for one, within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from starlette.testclient import TestClient

from stac import areas
from stac.api import create_app
from stac.areas_routes import LARGEST_BODY
from stac.database import connect
from stac.errors import InvalidDocumentError
from stac.settings import WriterSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stac.settings import Settings

TOKEN = "fedcba9876543210" * 3
WRITER = {"Authorization": f"Bearer {TOKEN}"}
SQUARE = {"type": "Polygon", "coordinates": [[[104, 11], [105, 11], [105, 12], [104, 12], [104, 11]]]}
POINT = {"type": "Point", "coordinates": [104.5, 11.5]}
REQUESTS = "/areas/requests"


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings, WriterSettings(token=TOKEN))
    with TestClient(app, root_path="/stac", raise_server_exceptions=False) as test_client:
        yield test_client


@pytest.fixture
def client(service: TestClient, settings: Settings) -> TestClient:
    """The API with a writer, and no area."""
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.area")
    return service


def names(client: TestClient) -> list[str]:
    return [area["name"] for area in client.get("/areas").json()["areas"]]


def test_an_area_from_its_making_to_its_end(client: TestClient) -> None:
    sent: dict[str, Any] = {
        "name": "delta",
        "tiles": ["t48pwu"],
        "max_cloud": 60,
        "levels": ["l1c", "l2a"],
        "comment": "for Ms B.",
    }
    sent |= {"orbits": [75], "baseline": "05.00..", "indices": ["ndmi"], "masks": ["OCM"]}
    sent |= {"retention": [{"level": "l1c", "age": 90}]}
    made = client.post("/areas", json=sent, headers=WRITER)
    assert made.status_code == 201, made.text
    assert made.json()["comment"] == "for Ms B."
    assert client.post("/areas", json=sent, headers=WRITER).status_code == 409

    (shown,) = client.get("/areas").json()["areas"]
    assert shown["tiles"] == ["48PWU"]
    assert (shown["first_day"], shown["enabled"], shown["state"]) == ("today-30", True, "approved")
    assert "comment" not in shown
    assert (shown["indices"], shown["masks"], shown["baseline"]) == (["NDWIGAO"], ["ocm"], "05.00..")
    (rule,) = shown["retention"]
    assert (rule["level"], rule["age"], rule["only_copy"]) == ("l1c", 90, False)

    changed = client.patch("/areas/delta", json={"enabled": False, "geometry": SQUARE}, headers=WRITER)
    assert changed.status_code == 200, changed.text
    (shown,) = client.get("/areas").json()["areas"]
    assert (shown["enabled"], shown["geometry"], shown["max_cloud"]) == (False, SQUARE, 60)

    assert client.delete("/areas/delta", headers=WRITER).status_code == 204
    for answer in (client.delete("/areas/delta", headers=WRITER), client.patch("/areas/x", json={}, headers=WRITER)):
        assert answer.status_code == 404
        assert "there is no area" in answer.json()["detail"]
    assert names(client) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tiles": []}, "tiles or a geometry"),
        ({"tiles": ["48XXX9"]}, "tiles.0"),
        ({"first_day": "yesterday"}, "today-30"),
        ({"first_day": "today-3", "last_day": "today-9"}, "empty"),
        ({"max_cloud": 101}, "max_cloud"),
        ({"provider": "peps"}, "provider"),
        ({"levels": []}, "levels"),
        ({"orbits": [0]}, "orbits.0"),
        ({"baseline": "5"}, "baseline"),
        ({"baseline": "05.11..04.00"}, "no baseline"),
        ({"indices": ["XYZ"]}, "XYZ"),
        ({"masks": ["snow"]}, "snow"),
        ({"retention": [{"level": "l1c"}]}, "age=0"),
        ({"retention": [{"level": "l3", "age": 1}]}, "retention.0.level"),
        ({"name": "a/b"}, "name"),
        ({"state": "requested"}, "approving"),
        ({"colour": "red"}, "colour"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}}, "crosses"),
    ],
)
def test_what_is_no_area_is_refused_by_field(client: TestClient, wrong: dict[str, Any], said: str) -> None:
    answer = client.post("/areas", json={"name": "x", "tiles": ["48PWU"], **wrong}, headers=WRITER)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert names(client) == []


def test_only_the_writer_edits(client: TestClient, settings: Settings) -> None:
    areas.add(settings, areas.Area(name="delta", tiles=["48PWU"]))
    edits: list[tuple[str, str, Any]] = [
        ("POST", "/areas", {"name": "mine", "tiles": ["48PWU"]}),
        ("PATCH", "/areas/delta", {"enabled": False}),
        ("DELETE", "/areas/delta", None),
    ]
    with TestClient(create_app(settings, WriterSettings())) as public:
        for method, path, body in edits:
            assert client.request(method, path, json=body).status_code == 401
            assert public.request(method, path, json=body, headers=WRITER).status_code in (404, 405)
    (area,) = areas.areas(settings)
    assert (area.name, area.enabled) == ("delta", True)


def test_anyone_asks_for_an_area_which_waits_unseen_until_it_is_approved(
    client: TestClient, settings: Settings
) -> None:
    links = {link["rel"]: link for link in client.get("/").json()["links"]}
    assert links["areas"]["href"].endswith("/stac/areas")
    assert (links["area-requests"]["href"], links["area-requests"]["method"]) == (
        "http://testserver/stac/areas/requests",
        "POST",
    )
    feature = {"type": "Feature", "properties": {"name": "<script>"}, "geometry": SQUARE}
    first = client.post(REQUESTS, content=json.dumps(feature), headers={"content-type": "application/geo+json"})
    assert first.status_code == 202
    again = client.post(REQUESTS, json=SQUARE)
    assert (first.json()["known"], again.json()["known"]) == (False, True)
    name = first.json()["name"]
    assert again.json()["name"] == name

    (area,) = areas.areas(settings)
    assert (area.state, area.enabled, area.geometry) == ("requested", False, SQUARE)
    assert names(client) == []
    assert areas.areas(settings, enabled=True) == []

    assert client.patch(f"/areas/{name}", json={"enabled": True}, headers=WRITER).status_code == 400
    accepted = client.patch(f"/areas/{name}", json={"state": "approved", "enabled": True}, headers=WRITER)
    assert accepted.status_code == 200
    assert names(client) == [name]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"type": "Feature"}', 400),
        (b'{"type": "Point", "coordinates": [200, 11]}', 400),
        (b'{"type": "Point", "coordinates": [NaN, 11]}', 400),
        (b'{"type": "Point", "coordinates": [1, 1, NaN]}', 400),
        (b'{"type": "Point", "coordinates": "x"}', 400),
        (b'{"type": "Point"}', 400),
        (b'{"type": "GeometryCollection", "geometries": []}', 400),
        (b'{"type": "LineString", "coordinates": [[0, 0], [20, 0]]}', 400),
        (json.dumps({"type": "MultiPoint", "coordinates": [[n / 1e4, 1] for n in range(6000)]}).encode(), 400),
        (b'{"type": "Point", "coordinates": [1, 1]}' + b" " * LARGEST_BODY, 413),
    ],
    ids=range(14),
)
def test_what_is_no_place_is_refused(client: TestClient, settings: Settings, body: bytes, status: int) -> None:
    answer = client.post(REQUESTS, content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert areas.areas(settings) == []


def test_so_many_requests_are_taken_in_an_hour_and_so_many_wait(client: TestClient, settings: Settings) -> None:
    def ask(number: int) -> Any:
        return client.post(REQUESTS, json={"type": "Point", "coordinates": [number / 10, 11]})

    answers = [ask(number).status_code for number in range(areas.HOURLY_REQUESTS + 1)]
    assert answers == [202] * areas.HOURLY_REQUESTS + [429]
    refused = ask(999)
    assert refused.headers["retry-after"] == "3600"
    assert "hour" in refused.json()["detail"]
    assert ask(0).json()["known"] is True

    with connect(settings) as connection:
        connection.execute("UPDATE sen2extract.area SET created = now() - interval '2 hours'")
    assert ask(999).status_code == 202
    with connect(settings) as connection:
        connection.execute(
            "INSERT INTO sen2extract.area (name, tiles, created) "
            "SELECT 'r' || n, '{48PWU}', now() - interval '1 day' FROM generate_series(1, %s) n",
            (areas.WAITING_REQUESTS,),
        )
    assert "days" in ask(998).json()["detail"]


def test_the_role_that_reads_may_note_a_request_and_no_more(client: TestClient, settings: Settings) -> None:
    assert client.get("/areas").status_code == 200
    with connect(settings) as connection:
        connection.execute("SET ROLE pgstac_read")
        connection.execute("INSERT INTO sen2extract.area (name, tiles) VALUES ('r', '{48PWU}')")
        connection.commit()
        connection.execute("SET ROLE pgstac_read")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO sen2extract.area (name, tiles, state) VALUES ('s', '{48PWU}', 'approved')")
        connection.rollback()
        connection.execute("SET ROLE pgstac_read")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE sen2extract.area SET state = 'approved'")
        connection.rollback()
    (area,) = areas.areas(settings)
    assert (area.state, area.enabled) == ("requested", False)


def test_queries_are_one_per_level() -> None:
    area = areas.checked({"name": "x", "tiles": ["48PWU"], "levels": ["l1c", "l2a"], "max_cloud": 5})
    assert [query["level"] for query in area.queries()] == ["l1c", "l2a"]
    assert {query["max_cloud"] for query in area.queries()} == {5}
    narrow = areas.checked({"name": "x", "tiles": ["48PWU"], "orbits": [75], "baseline": "05.00..05.11"})
    assert [(query["orbits"], query["baseline"]) for query in narrow.queries()] == [([75], "05.00..05.11")]
    with pytest.raises(InvalidDocumentError, match="tiles or a geometry"):
        areas.checked({"name": "x"})
