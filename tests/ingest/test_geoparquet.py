"""A collection as one file: what it holds is what a search finds, read back by pyarrow and rustac."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest
import rustac
import shapely
from starlette.testclient import TestClient

from ingest import geoparquet, reconcile
from ingest.geoparquet import ASSET, MEDIA_TYPE, export, export_all
from ingest.store import Store
from stac import catalog
from stac.api import create_app
from stac.collections import INDICES, L1C, L2A

if TYPE_CHECKING:
    from pathlib import Path

    from stac.settings import Settings

UNITS = 5


def item(day: int, **properties: Any) -> dict[str, Any]:
    """A light L2A item; whole numbers and fractions, with and without some fields."""
    name = f"S2A_MSIL2A_202501{day:02d}T031121_N0511_R075_T48PWU_202501{day:02d}T062233"
    ring = [[day, 1], [day + 1, 1], [day + 1, 2.5], [day, 1]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "collection": L2A,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [day, 1, day + 1, 2.5],
        "properties": {"datetime": f"2025-01-{day:02d}T03:11:21Z", "grid:code": "MGRS-48PWU", **properties},
        "links": [],
        "assets": {"B04": {"href": f"https://example.org/{day}.tif", "title": "Red", "file:size": day}},
    }


@pytest.fixture(scope="module")
def published(settings: Settings) -> Settings:
    items = [item(day, **{"eo:cloud_cover": day * 1.5}) for day in range(1, UNITS)]
    items.append(item(5, **{"sat:relative_orbit": 75, "sen2extract:remark": "of its own"}))
    items[1]["links"].append({"rel": "via", "href": "https://example.org", "title": "whence"})
    items[2]["assets"]["SCL"] = {"href": "https://example.org/scl.tif", "statistics": {"mean": 4.5, "minimum": 1}}
    items[3]["geometry"] = {"type": "MultiPolygon", "coordinates": [items[3]["geometry"]["coordinates"]]}
    catalog.publish(items, settings)
    return settings


def linked(settings: Settings, collection: str = L2A) -> dict[str, Any] | None:
    with psycopg.connect(settings.pg_dsn) as connection:
        row = connection.execute("SELECT content FROM pgstac.collections WHERE id = %s", (collection,)).fetchone()
    assert row is not None
    asset: dict[str, Any] | None = row[0].get("assets", {}).get(ASSET)
    return asset


def served(settings: Settings) -> dict[str, Any]:
    """What a search finds, without what the API adds."""
    with TestClient(create_app(settings)) as client:
        found = client.get("/search", params={"collections": L2A, "limit": 100}).json()["features"]
    for one in found:
        one["links"] = [link for link in one["links"] if link["rel"] == "via"]
        one["stac_extensions"] = []
    return {one["id"]: one for one in found}


def test_a_file_holds_what_a_search_finds(published: Settings, tmp_path: Path) -> None:
    done = export(L2A, published)
    assert (done.items, done.changed) == (UNITS, True)
    asset = linked(published)
    assert asset is not None
    assert asset["type"] == MEDIA_TYPE
    assert asset["alternate"]["s3"]["href"] == published.s3_href(str(done.key))
    content = Store.connect(published).get(str(done.key))
    assert asset["file:size"] == len(content)

    table = pq.read_table(io.BytesIO(content))
    found = served(published)
    assert sorted(table.column("id").to_pylist()) == sorted(found)
    for name, geometry in zip(table.column("id").to_pylist(), table.column("geometry").to_pylist(), strict=True):
        assert shapely.from_wkb(geometry).equals(shapely.geometry.shape(found[name]["geometry"]))
    metadata = pq.read_metadata(io.BytesIO(content)).metadata
    assert json.loads(metadata[b"geo"])["primary_column"] == "geometry"

    path = tmp_path / "items.parquet"
    path.write_bytes(content)

    async def read() -> Any:
        return await rustac.read(str(path))

    for one in asyncio.run(read())["features"]:
        wanted = found[one["id"]]
        assert {name: str(value).replace("+00:00", "Z") for name, value in one["properties"].items()} == {
            name: str(value) for name, value in wanted["properties"].items()
        }
        assert list(one["bbox"]) == wanted["bbox"]
        assert one["assets"] == wanted["assets"]
        assert one["links"] == wanted["links"]


def test_the_api_shows_the_file(published: Settings) -> None:
    export(L2A, published)
    with TestClient(create_app(published)) as client:
        document = client.get(f"/collections/{L2A}").json()
    assert document["assets"][ASSET] == linked(published)
    assert document["assets"][ASSET]["href"].startswith(published.s3_public_url)
    assert any("alternate-assets" in uri for uri in document["stac_extensions"])
    assert any("/file/" in uri for uri in document["stac_extensions"])


def test_without_a_change_there_is_no_new_object(published: Settings) -> None:
    first = export(L2A, published)
    keys = sorted(Store.connect(published).keys("exports/"))
    again = export(L2A, published)
    assert not again.changed
    assert again.key == first.key
    assert sorted(Store.connect(published).keys("exports/")) == keys
    catalog.migrate(published)
    assert linked(published) is not None
    assert not export(L2A, published).changed


def test_a_change_of_an_item_makes_a_new_file(published: Settings) -> None:
    before = export(L2A, published)
    catalog.publish([item(1, **{"eo:cloud_cover": 99})], published)
    with psycopg.connect(published.pg_dsn) as connection:
        # As if it had happened a day later.
        connection.execute(
            "UPDATE pgstac.items SET content = jsonb_set(content, '{properties,updated}', '\"2030-01-01T00:00:00Z\"') "
            "WHERE content->'properties'->>'eo:cloud_cover' = '99'"
        )
    after = export(L2A, published)
    assert after.changed
    assert after.key != before.key
    assert before.key not in reconcile.export_keys(published)
    report = reconcile.report(published)
    assert before.key in report.unknown
    assert after.key not in report.unknown


def test_an_empty_collection_has_no_file(published: Settings) -> None:
    done = {one.collection: one for one in export_all(published)}
    assert done[L1C].key is None
    assert not done[L1C].changed
    assert linked(published, INDICES) is None
    gone = [(L2A, item(day)["id"]) for day in range(1, UNITS + 1)]
    catalog.remove(gone, published)
    assert export(L2A, published).key is None
    assert linked(published) is None
    catalog.publish([item(day) for day in range(1, UNITS + 1)], published)


def test_items_are_read_some_at_a_time(published: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoparquet, "_BATCH", 2)
    catalog.publish([item(day, **{"eo:cloud_cover": 1.25}) for day in range(1, 12)], published)
    done = export(L2A, published)
    table = pq.read_table(io.BytesIO(Store.connect(published).get(str(done.key))))
    assert table.num_rows == 11
    assert len(set(table.column("id").to_pylist())) == 11
