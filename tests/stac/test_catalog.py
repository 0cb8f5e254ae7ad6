from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from starlette.testclient import TestClient

from stac import catalog
from stac.api import create_app
from stac.collections import EVERYWHERE, INDICES, L1C, L2A
from stac.database import connect
from stac.errors import CatalogError, NameFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

type Documents = Callable[..., list[dict[str, Any]]]
type Names = Callable[..., str]

PUBLISHER = """
import json, sys
from stac import catalog
from stac.settings import Settings
settings = Settings(pg_dsn=sys.argv[1])
for group in json.load(sys.stdin):
    catalog.publish(group, settings)
"""


def keys(*documents: dict[str, Any]) -> list[tuple[str, str]]:
    return [(document["collection"], document["id"]) for document in documents]


@pytest.fixture(autouse=True)
def empty(settings: Settings) -> Iterator[None]:
    yield
    with catalog.connect(settings) as connection:
        connection.execute("DELETE FROM items")
    catalog.refresh_extents(settings)


def extent(settings: Settings, collection: str) -> Any:
    with catalog.connect(settings) as connection:
        row = connection.execute("SELECT content->'extent' FROM collections WHERE id = %s", (collection,)).fetchone()
    assert row
    return row[0]


def without_own_dates(document: dict[str, Any]) -> dict[str, Any]:
    properties = {k: v for k, v in document["properties"].items() if k not in {"created", "updated"}}
    return document | {"properties": properties}


def test_what_is_published_comes_back_as_it_was(settings: Settings, documents: Documents) -> None:
    scene, indices = documents()
    catalog.publish([scene, indices], settings)

    for document in (scene, indices):
        back = catalog.get_item(settings, document["collection"], document["id"])
        assert back is not None
        assert without_own_dates(back) == document
        assert back["properties"]["created"] == back["properties"]["updated"]
    assert catalog.get_item(settings, L2A, "nothing") is None


def test_what_items_share_is_not_stored(settings: Settings, documents: Documents) -> None:
    scene, _ = documents()
    catalog.publish([scene], settings)

    with catalog.connect(settings) as connection:
        row = connection.execute("SELECT content FROM items WHERE id = %s", (scene["id"],)).fetchone()
    assert row
    assert not {"bands", "type", "data_type", "nodata"} & set(row[0]["assets"]["B04"])
    assert row[0]["assets"]["B04"]["raster:offset"] == -0.1


def test_publishing_again_changes_nothing(settings: Settings, documents: Documents) -> None:
    catalog.publish(documents(), settings)
    with catalog.connect(settings) as connection:
        before = connection.execute("SELECT id, content, xmin::text FROM items ORDER BY collection").fetchall()
        connection.execute("SELECT pg_sleep(1.1)")  # `updated` has the resolution of a second
    catalog.publish(documents(), settings)

    with catalog.connect(settings) as connection:
        assert connection.execute("SELECT id, content, xmin::text FROM items ORDER BY collection").fetchall() == before


def test_a_changed_item_replaces_and_keeps_its_first_date(settings: Settings, documents: Documents) -> None:
    first, *_ = documents()
    first["properties"]["created"] = "2020-01-01T00:00:00Z"
    catalog.publish([first], settings)
    with catalog.connect(settings) as connection:
        connection.execute(
            "UPDATE items SET content = jsonb_set(content, '{properties,created}', '\"2020-01-01T00:00:00Z\"')"
        )
    changed, *_ = documents(cloud_cover=77.0)
    catalog.publish([changed], settings)

    back = catalog.get_item(settings, *keys(changed)[0])
    assert back is not None
    assert back["properties"]["eo:cloud_cover"] == 77
    assert back["properties"]["created"] == "2020-01-01T00:00:00Z"
    assert back["properties"]["updated"] > "2020-01-01T00:00:00Z"


@pytest.mark.parametrize("newer_first", [False, True])
def test_the_older_baseline_is_superseded_whichever_comes_first(
    settings: Settings, documents: Documents, product_name: Names, *, newer_first: bool
) -> None:
    older, newer = documents(product_name(baseline="0509")), documents(product_name(baseline="0511"))
    for group in (newer, older) if newer_first else (older, newer):
        catalog.publish(group, settings)

    for old, new in zip(older, newer, strict=True):
        stored_old, stored_new = (catalog.get_item(settings, *key) for key in keys(old, new))
        assert stored_old is not None
        assert stored_new is not None
        assert stored_old["properties"]["deprecated"] is True
        assert "deprecated" not in stored_new["properties"]
        successor = {link["rel"]: link["href"] for link in stored_old["links"]}["successor-version"]
        assert successor == f"http://127.0.0.1:8000/stac/collections/{new['collection']}/items/{new['id']}"


def test_removing_the_newer_lets_the_older_count_again(
    settings: Settings, documents: Documents, product_name: Names
) -> None:
    older, newer = documents(product_name(baseline="0509")), documents(product_name(baseline="0511"))
    catalog.publish([*older, *newer], settings)

    assert catalog.remove([*keys(*newer), (L2A, product_name(day=9))], settings) == 2
    for document in older:
        back = catalog.get_item(settings, *keys(document)[0])
        assert back is not None
        assert without_own_dates(back) == document


def test_ids_are_found_by_tile_and_time(settings: Settings, documents: Documents, product_name: Names) -> None:
    here, later = documents(product_name(1))[0], documents(product_name(40))[0]
    there = documents(product_name(1, tile="33TWM"))[0]
    catalog.publish([here, later, there], settings)

    february = datetime(2025, 2, 1, tzinfo=UTC)
    assert catalog.find_ids(settings, L2A) == sorted([here["id"], later["id"], there["id"]])
    assert catalog.find_ids(settings, L2A, tile="33TWM") == [there["id"]]
    assert catalog.find_ids(settings, L2A, tile="48PWU", end=february) == [here["id"]]
    assert catalog.find_ids(settings, L2A, start=february) == [later["id"]]
    assert catalog.find_ids(settings, INDICES) == []


def test_extents_follow_the_items(settings: Settings, documents: Documents, product_name: Names, make: Any) -> None:
    assert extent(settings, L2A) == EVERYWHERE
    first = documents(product_name(1), make.footprint(104.0, 11.0))
    second = documents(product_name(400), make.footprint(106.0, 12.5))
    catalog.publish(first, settings)
    catalog.publish(second, settings)

    assert extent(settings, L2A)["spatial"]["bbox"] == [[104, 11, 107, 13.5]]
    assert [moment[:10] for moment in extent(settings, L2A)["temporal"]["interval"][0]] == ["2025-01-01", "2026-02-04"]
    assert extent(settings, L1C) == EVERYWHERE

    catalog.remove(keys(*first), settings)
    assert extent(settings, L2A)["spatial"]["bbox"] == [[106, 12.5, 107, 13.5]]
    catalog.remove(keys(*second), settings)
    assert extent(settings, L2A) == EVERYWHERE
    catalog.refresh_extents(settings)
    assert extent(settings, INDICES) == EVERYWHERE


def test_extents_follow_an_item_that_moves(settings: Settings, documents: Documents, make: Any) -> None:
    scene, *_ = documents(footprint=make.footprint(104.0, 11.0))
    catalog.publish([scene], settings)
    moved, *_ = documents(footprint=make.footprint(106.0, 12.5))
    catalog.publish([moved], settings)

    assert extent(settings, L2A)["spatial"]["bbox"] == [[106, 12.5, 107, 13.5]]
    moved["properties"]["datetime"] = "2023-05-05T03:20:00Z"  # another partition, and none is left in the first
    catalog.publish([moved], settings)
    assert [moment[:10] for moment in extent(settings, L2A)["temporal"]["interval"][0]] == ["2023-05-05", "2023-05-05"]


def test_a_partition_as_narrow_as_what_pgstac_loaded_is_widened(
    settings: Settings, documents: Documents, product_name: Names
) -> None:
    first, second = documents(product_name(-3000))[0], documents(product_name(-2995))[0]
    with catalog.connect(settings) as connection:
        connection.execute("SELECT pgstac.upsert_items(%s)", (json.dumps([first]),))
    catalog.publish([second], settings)

    assert catalog.find_ids(settings, L2A) == sorted([first["id"], second["id"]])
    assert [moment[:10] for moment in extent(settings, L2A)["temporal"]["interval"][0]] == ["2016-10-14", "2016-10-19"]


def test_an_item_that_ends_before_it_starts_is_refused(settings: Settings, documents: Documents) -> None:
    scene, _ = documents()
    scene["properties"] |= {"start_datetime": "2025-01-06T00:00:00Z", "end_datetime": "2025-01-05T00:00:00Z"}

    with pytest.raises(CatalogError, match="lower bound"):
        catalog.publish([scene], settings)


def test_hundreds_of_products_at_once_are_one_transaction(
    settings: Settings, documents: Documents, product_name: Names
) -> None:
    """More than there are locks for, so that the collections themselves are locked; some are superseded among them."""
    old, new = ([documents(product_name(day, baseline)) for day in range(140)] for baseline in ("0509", "0511"))
    items = [thin for group in [*new, *old] for thin in (each | {"assets": {}} for each in group)]

    assert len(catalog.publish(items, settings)) == 4 * 140
    with catalog.connect(settings) as connection:
        query = "SELECT collection, sum(deprecated::int), count(*) FROM sen2extract.observations GROUP BY 1"
        assert sorted(connection.execute(query).fetchall()) == [(INDICES, 140, 280), (L2A, 140, 280)]
    assert catalog.publish(items, settings) == []


def test_all_items_are_published_or_none(settings: Settings, documents: Documents) -> None:
    scene, indices = documents()
    stray = indices | {"collection": "no-such-collection"}

    with pytest.raises(CatalogError, match="no-such-collection"):
        catalog.publish([scene, stray], settings)
    assert catalog.get_item(settings, *keys(scene)[0]) is None


def test_an_id_that_is_no_product_is_refused(settings: Settings, documents: Documents) -> None:
    with pytest.raises(NameFormatError, match="landsat"):
        catalog.publish([documents()[0] | {"id": "landsat"}], settings)


def test_a_caller_decides_on_the_transaction(settings: Settings, documents: Documents) -> None:
    with psycopg.connect(settings.pg_dsn) as connection:
        catalog.publish(documents(), settings, connection)
        connection.rollback()
        assert catalog.find_ids(settings, L2A) == []
        catalog.publish(documents(), settings, connection)
    assert len(catalog.find_ids(settings, L2A)) == 1


def test_a_database_that_is_away_is_a_catalogue_error(settings: Settings, documents: Documents) -> None:
    away = settings.model_copy(update={"pg_dsn": "host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=2"})

    with pytest.raises(CatalogError, match="cannot be reached"):
        catalog.publish(documents(), away)
    with pytest.raises(CatalogError, match="cannot be reached"):
        catalog.migrate(away)


def test_a_host_that_vanishes_is_noticed(settings: Settings) -> None:
    """What the kernel is told of the connection: unanswered data and silence both end it."""
    with connect(settings) as connection, socket.socket(fileno=os.dup(connection.fileno())) as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    own = settings.model_copy(update={"pg_dsn": f"{settings.pg_dsn} tcp_user_timeout=5000 application_name=mine"})
    with connect(own) as connection, socket.socket(fileno=os.dup(connection.fileno())) as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        assert connection.execute("SHOW application_name").fetchone() == ("mine",)


def test_the_ingest_role_can_publish_and_remove(settings: Settings, documents: Documents) -> None:
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute("SET ROLE pgstac_ingest")
        catalog.publish(documents(datastrip_id=""), settings, connection)
        assert catalog.remove(keys(*documents()), settings, connection) == 2


def test_partitions_are_made_as_wide_as_they_are_and_stay_so(
    settings: Settings, documents: Documents, product_name: Names
) -> None:
    def constraints() -> Any:
        with catalog.connect(settings) as connection:
            return connection.execute(
                "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), oid FROM pg_constraint "
                "WHERE contype = 'c' AND conname LIKE '\\_items\\_%' ORDER BY 1"
            ).fetchall()

    catalog.publish(documents(product_name(200)), settings)
    before = constraints()
    catalog.publish(documents(product_name(1)), settings)
    catalog.publish(documents(product_name(365)), settings)

    assert constraints() == before
    assert any("2025-01-01" in definition and "2026-01-01" in definition for _, definition, _ in before)


def test_migrating_again_changes_nothing_and_keeps_extents(settings: Settings, documents: Documents) -> None:
    catalog.publish(documents(), settings)

    def state() -> Any:
        with catalog.connect(settings) as connection:
            return [
                connection.execute(f"SELECT {table}::text, {table}.xmin::text FROM {table} ORDER BY 1").fetchall()
                for table in ("collections", "queryables", "pgstac_settings", "migrations", "base_items")
            ]

    before = state()
    catalog.migrate(settings)

    assert state() == before
    assert extent(settings, L2A)["spatial"]["bbox"] == [[104.9, 11.7, 105.9, 12.7]]


def test_a_collection_that_changed_in_the_code_is_brought_up_to_date(settings: Settings, documents: Documents) -> None:
    scene, indices = documents()
    catalog.publish([scene, indices], settings)
    with catalog.connect(settings) as connection:
        connection.execute(
            "UPDATE collections SET content = jsonb_set(content, '{title}', '\"Old\"') #- '{item_assets,B04,nodata}'"
        )
    catalog.migrate(settings)

    with catalog.connect(settings) as connection:
        row = connection.execute("SELECT content->>'title' FROM collections WHERE id = %s", (L2A,)).fetchone()
    assert row == ("Sentinel-2 Level-2A",)
    back = catalog.get_item(settings, *keys(scene)[0])
    assert back is not None
    assert back["assets"] == scene["assets"]


def test_eight_writers_lose_nothing_and_never_deadlock(
    settings: Settings, documents: Documents, product_name: Names
) -> None:
    """Products of eleven years, so that partitions are made meanwhile; some are written by two writers at once.

    Whoever searches over the API meanwhile is answered, and never finds fewer than before.
    """
    products = [documents(product_name(day=1 - 50 * number)) for number in range(80)]
    for document in (document for group in products for document in group):
        document["assets"] = dict(list(document["assets"].items())[:1])
    shares = [products[writer::8] + products[(writer + 1) % 8 :: 32] for writer in range(8)]
    for writer, share in enumerate(shares):
        if writer % 2:
            share.reverse()
            share[:] = [group[::-1] for group in share]
    arguments = [sys.executable, "-W", "error", "-c", PUBLISHER, settings.pg_dsn]
    writers = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in shares]
    for process, share in zip(writers, shares, strict=True):
        assert process.stdin
        process.stdin.write(json.dumps(share))
        process.stdin.close()
        process.stdin = None
    counts = [0]
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        while any(process.poll() is None for process in writers):
            page = client.get("/search", params={"limit": 10, "collections": L2A})
            assert page.status_code == 200, page.text
            counts.append(page.json()["numberMatched"])
            time.sleep(0.1)

    failures = [process.communicate()[1] for process in writers]
    assert [process.returncode for process in writers] == [0] * 8, failures
    expected = sorted(group[0]["id"] for group in products)
    assert catalog.find_ids(settings, L2A) == expected
    assert catalog.find_ids(settings, INDICES) == expected
    assert counts == sorted(counts)
    assert len(set(counts)) > 5
