"""The ledger and the coverage, as the STAC API tells them."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from postgres import conninfo
from psycopg import sql
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from stac import catalog, status
from stac.api import create_app
from stac.collections import L2A
from stac.errors import CatalogError
from stac.gaps import gaps
from stac.settings import Settings
from stac.status_summary import summary

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
FOLDER = "/srv/inbox"


@pytest.fixture(scope="module")
def ledger(settings: Settings, product_name: Any) -> list[str]:
    """Seven products, one of them without a name; the last one changed is the first."""
    rows = [(product_name(day), "published", None) for day in range(1, 6)]
    rows.append((product_name(6), "failed", f"{FOLDER}/x.zip: the store is away"))
    rows.append((f"{FOLDER}/rubbish.zip", "invalid", f"{FOLDER}/rubbish.zip: no zip"))
    with psycopg.connect(settings.pg_dsn) as connection:
        for number, (name, state, reason) in enumerate(rows):
            connection.execute(
                "INSERT INTO sen2extract.ledger (id, state, attempts, reason, source, timings, updated) "
                "VALUES (%s, %s, 1, %s, %s, %s, %s)",
                (name, state, reason, f"{FOLDER}/x.zip", Jsonb({"B02": 1.5}), NOON - timedelta(hours=number // 2)),
            )
    return [row[0] for row in rows]


@pytest.fixture(scope="module")
def items(settings: Settings, documents: Any, product_name: Any) -> None:
    """Three days of a tile in May, one of them in two baselines."""
    for name in (product_name(3), product_name(13), product_name(23), product_name(3, baseline="0400")):
        catalog.publish(documents(name), settings)


@pytest.fixture(scope="module")
def client(settings: Settings, ledger: list[str], items: None) -> Iterator[TestClient]:
    assert ledger
    assert items is None
    with TestClient(create_app(settings), raise_server_exceptions=False) as test_client:
        yield test_client


def test_the_summary_tells_what_waits_and_what_failed_by_kind(client: TestClient, settings: Settings) -> None:
    offer = Jsonb({"source": "cdse"})
    rows: list[tuple[str, str, str, str | None, Jsonb | None]] = [
        ("a", "seen", "cdse:a", "to be fetched from cdse", offer),
        ("b", "downloaded", "/srv/b", None, offer),
        ("c", "seen", "/srv/c", None, None),
        ("d", "failed", "cdse:d", "not downloaded: cdse: No space left", offer),
        ("sen2cor:e", "failed", "sen2cor:e", "Sen2Cor 02.11 ended with code 1", None),
        ("f", "invalid", "/srv/f", "B02 is missing", None),
        ("g", "failed", "/srv/g", "its worker ended before it was done", None),
        ("h", "failed", "/srv/h", "h: cannot be published: the catalogue is away: x", None),
        ("i", "invalid", "cdse:i", "cdse: i was withdrawn: corrupt", offer),
    ]
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.cursor().executemany(
            "INSERT INTO sen2extract.ledger (id, state, source, reason, offer) VALUES (%s, %s, %s, %s, %s)", rows
        )
    try:
        answer = client.get("/status/summary")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert {(one["place"], one["state"]): one["count"] for one in found["queue"]} == {
            ("cdse", "seen"): 1,
            ("inbox", "downloaded"): 1,
            ("inbox", "seen"): 1,
        }
        assert {(one["kind"], one["state"]): one["count"] for one in found["failures"]} == {
            ("download", "failed"): 1,
            ("sen2cor", "failed"): 1,
            ("product", "invalid"): 2,
            ("worker", "failed"): 1,
            ("database", "failed"): 1,
            ("withdrawn", "invalid"): 1,
            ("other", "failed"): 1,
        }
        assert [one["count"] for one in summary(settings)["failures"]] == [one["count"] for one in found["failures"]]
        assert all(one["means"] for one in found["failures"])
    finally:
        with psycopg.connect(settings.pg_dsn) as connection:
            connection.execute("DELETE FROM sen2extract.ledger WHERE id = ANY(%s)", ([row[0] for row in rows],))


def test_counts_and_products_are_those_of_the_ledger(client: TestClient, settings: Settings, ledger: list[str]) -> None:
    answer = client.get("/status/products").json()
    assert answer["counts"] == {"published": 5, "failed": 1, "invalid": 1} == status.counts(settings)
    assert [one.id for one in status.products(settings)] != []
    assert {one["id"] for one in answer["products"]} == {*ledger[:-1], "rubbish.zip"}
    assert answer["products"][0]["timings"] == {"B02": 1.5}
    times = [one["updated"] for one in answer["products"]]
    assert times == sorted(times, reverse=True)


def test_failures_are_told_with_reasons_but_not_where_files_lie(client: TestClient) -> None:
    for state, reason in {"failed": "x.zip: the store is away", "invalid": "rubbish.zip: no zip"}.items():
        (found,) = client.get("/status/products", params={"state": state}).json()["products"]
        assert (found["state"], found["reason"]) == (state, reason)
    assert FOLDER not in client.get("/status/products").text


def test_pages_hold_each_product_once(client: TestClient, ledger: list[str]) -> None:
    found = []
    link = "/status/products?limit=2"
    while link:
        answer = client.get(link).json()
        assert len(answer["products"]) <= 2
        found += [one["id"] for one in answer["products"]]
        link = next((each["href"] for each in answer["links"] if each["rel"] == "next"), "")
    assert sorted(found) == sorted([*ledger[:-1], "rubbish.zip"])


def test_coverage_counts_what_is_in_use(client: TestClient, settings: Settings, product_name: Any) -> None:
    (tile,) = client.get("/status/coverage", params={"collection": L2A}).json()["tiles"]
    assert tile["tile"] == "48PWU"
    assert tile["count"] == 3
    assert sum(month["count"] for month in tile["months"]) == 3
    item = catalog.get_item(settings, L2A, product_name(23))
    assert item is not None
    last = datetime.fromisoformat(item["properties"]["datetime"])
    assert datetime.fromisoformat(tile["last"]) == last
    assert tile["lag_days"] == pytest.approx((datetime.now(UTC) - last).total_seconds() / 86400, abs=1)
    assert client.get("/status/coverage", params={"tile": "31TCJ"}).json()["tiles"] == []
    assert client.get("/status/coverage", params={"after": "48PWU"}).json()["tiles"] == []


@pytest.mark.parametrize(
    "query",
    [
        "products?state=lost",
        "products?limit=0",
        "products?limit=many",
        "products?limit=1001",
        "products?token=x",
        f"products?token={'0' * 32}",
        "coverage?collection=landsat",
        "coverage?tile=48pwu'",
        "coverage?after=%00",
    ],
)
def test_wrong_parameters_are_a_problem(client: TestClient, query: str) -> None:
    answer = client.get(f"/status/{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"]


def test_it_is_documented(client: TestClient) -> None:
    paths = client.get("/api").json()["paths"]
    names = [parameter["name"] for parameter in paths["/status/products"]["get"]["parameters"]]
    assert names == ["state", "limit", "token"]
    assert "/status/gaps" in paths
    assert "/status/coverage" in client.get("/api.html").text


@pytest.fixture(scope="module")
def bare(postgres: dict[str, str]) -> Iterator[Settings]:
    """A database in which nothing was made ready."""
    name = f"bare_{uuid.uuid4().hex[:8]}"
    server = psycopg.connect(conninfo(postgres, "postgres"), autocommit=True)
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield Settings(pg_dsn=conninfo(postgres, name))
    server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    server.close()


@pytest.mark.parametrize("route", ["products", "coverage", "gaps"])
def test_a_database_that_was_not_made_ready_is_said_to_be_so(bare: Settings, route: str) -> None:
    with TestClient(create_app(bare), raise_server_exceptions=False) as client:
        answer = client.get(f"/status/{route}")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "run `sen2extract migrate`" in answer.json()["detail"]


@pytest.mark.parametrize("ask", [status.counts, status.products, gaps])
def test_the_command_is_told_so_too(bare: Settings, ask: Callable[[Settings], Any]) -> None:
    with pytest.raises(CatalogError, match="run `sen2extract migrate`"):
        ask(bare)
