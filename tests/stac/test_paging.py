"""Ten thousand items, paged through by a real client, while others are added and while others search."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pystac_client
import pytest
import rustac
from psycopg.types.json import Jsonb

from stac import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

COUNT, MORE, BATCH = 10_000, 2_000, 100
LIGHT = "light"
START = datetime(2024, 1, 1, tzinfo=UTC)
COLLECTION = {
    "type": "Collection",
    "stac_version": "1.1.0",
    "id": LIGHT,
    "description": "Items of next to nothing",
    "license": "other",
    "links": [],
    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
}


def light(number: int) -> dict[str, Any]:
    """An item; four share a moment, so that paging cannot rest on the time alone."""
    place = {"type": "Point", "coordinates": [number % 360 - 180, number % 170 - 85]}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"light-{number:05}",
        "collection": LIGHT,
        "geometry": place,
        "bbox": [*place["coordinates"], *place["coordinates"]],
        "properties": {"datetime": (START + timedelta(minutes=number // 4)).isoformat(), "gsd": 10},
        "assets": {},
        "links": [],
    }


def add(settings: Settings, numbers: range) -> None:
    with catalog.connect(settings) as connection:
        connection.execute("SELECT pgstac.create_items(%s)", (Jsonb([light(number) for number in numbers]),))


@pytest.fixture(scope="module")
def many(settings: Settings) -> Settings:
    with catalog.connect(settings) as connection:
        connection.execute("SELECT pgstac.create_collection(%s)", (Jsonb(COLLECTION),))
    # Every other number first: the rest comes while a client pages.
    add(settings, range(0, 2 * COUNT, 2))
    return settings


@pytest.fixture(scope="module")
def server(many: Settings, serve: Callable[[Settings], Any]) -> Iterator[str]:
    with serve(many) as address:
        yield address


def test_ten_thousand_items_are_paged_through_none_twice_and_none_lost(server: str) -> None:
    search = pystac_client.Client.open(server).search(collections=[LIGHT], limit=1000, sortby="+id")

    found = [item["id"] for item in search.items_as_dicts()]
    assert search.matched() == COUNT
    assert len(set(found)) == COUNT
    assert found == sorted(found)


def test_rustac_searches(server: str) -> None:
    async def search() -> list[dict[str, Any]]:
        return await rustac.search(server, collections=[LIGHT], max_items=250, limit=100, sortby="id")

    found = asyncio.run(search())
    assert [item["id"] for item in found] == [f"light-{number:05}" for number in range(0, 500, 2)]


def test_paging_and_searching_go_on_while_hundreds_of_items_are_added(server: str, many: Settings) -> None:
    before = {f"light-{number:05}" for number in range(0, 2 * COUNT, 2)}
    counts: list[int] = []
    done = threading.Event()

    def write() -> None:
        for first in range(0, MORE, BATCH):
            add(many, range(2 * first + 1, 2 * (first + BATCH) + 1, 2))
        done.set()

    def ask() -> None:
        with httpx.Client(timeout=120) as client:
            while True:
                last = done.wait(0.2)
                answer = client.get(f"{server}/aggregate", params={"collections": LIGHT})
                assert answer.status_code == 200, answer.text
                counts.append(answer.json()["aggregations"][0]["value"])
                if last:
                    return

    threads = [threading.Thread(target=write), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    search = pystac_client.Client.open(server).search(collections=[LIGHT], limit=1000)
    found = [item["id"] for item in search.items_as_dicts()]
    for thread in threads:
        thread.join()

    assert done.is_set()
    assert len(found) == len(set(found))
    assert before <= set(found)
    # Never half of a batch, and never fewer than before.
    assert counts == sorted(counts)
    assert all((count - COUNT) % BATCH == 0 for count in counts)
    assert counts[-1] == COUNT + MORE
    assert search.matched() == COUNT + MORE
