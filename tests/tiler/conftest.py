"""A small archive, ingested for real: two neighbouring tiles, an overlap, a swath's edge, a reprocessing, an L1C."""

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
import rasterio
from fastapi.testclient import TestClient
from minio import Minio
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, swath_through, write_product
from stac.settings import Settings
from tiler.app import create_app, use_store

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 360
SCALE = 109_800 / SIZE
"""Metres per pixel of the sample's finest bands."""


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T03:11:21").replace(tzinfo=UTC)


UPPER = ProductSpec(sensing=at("2025-01-05"), size=SIZE, cloudiness=0.3)
LOWER = replace(UPPER, tile="48PWT")
OLD = replace(UPPER, sensing=at("2021-11-22"), baseline="03.01", cloudiness=0.0)
REPROCESSED = replace(OLD, baseline="05.00", generation=datetime(2023, 6, 1, tzinfo=UTC))
EDGE = replace(UPPER, sensing=at("2025-02-04"), swath_edge=swath_through("48PWU", 0.4), cloudiness=0.0)
OVERCAST = replace(UPPER, sensing=at("2025-03-06"), cloudiness=1.0)
TOP = replace(UPPER, level="L1C")
SPECS = (UPPER, LOWER, OLD, REPROCESSED, EDGE, OVERCAST, TOP)


class Archive:
    """What was stored, read without the code under test, and the specifications of what was ingested."""

    SIZE, SCALE = SIZE, SCALE
    UPPER, LOWER, OLD, REPROCESSED, EDGE, OVERCAST, TOP = SPECS

    def __init__(self, settings: Settings, client: TestClient) -> None:
        self.settings = settings
        self.client = client

    def item(self, collection: str, item_id: str) -> dict:
        with psycopg.connect(self.settings.pg_dsn, row_factory=dict_row) as connection:
            found = connection.execute("SELECT pgstac.get_item(%s, %s) AS item", (item_id, collection)).fetchone()
        return found["item"]

    def path(self, collection: str, item_id: str, asset: str) -> str:
        address = self.item(collection, item_id)["assets"][asset]["alternate"]["s3"]["href"]
        return f"/vsis3/{address.removeprefix('s3://')}"

    def read(self, collection: str, item_id: str, asset: str) -> np.ndarray:
        """Stored numbers of the whole image."""
        with rasterio.open(self.path(collection, item_id, asset)) as source:
            return source.read(1)

    def ndvi(self, item_id: str) -> np.ndarray:
        stored = self.read("sentinel-2-indices", item_id, "NDVI")
        return np.where(stored == -32768, np.nan, stored * 0.0001)

    def masked(self, item_id: str) -> np.ndarray:
        """What the profile scl leaves out, from the definition of MASK."""
        return np.isin(self.read("sentinel-2-indices", item_id, "MASK") & 15, [0, 1, 3, 8, 9, 10, 15])

    def place(self, spec: ProductSpec, row: int, column: int) -> tuple[float, float]:
        """Longitude and latitude of a pixel's centre."""
        with rasterio.open(self.path("sentinel-2-l2a", spec.name, "B04")) as source:
            x, y = source.xy(row, column)
            lon, lat = rasterio.warp.transform(source.crs, "EPSG:4326", [x], [y])
        return lon[0], lat[0]

    def point(
        self, spec: ProductSpec, row: int, column: int, collection: str = "sentinel-2-indices", **query
    ) -> list[dict]:
        """Rows of a point series."""
        lon, lat = self.place(spec, row, column)
        return self.rows("GET", f"/collections/{collection}/timeseries/point/{lon!r},{lat!r}", **query)

    def polygon(self, geometry: dict, collection: str = "sentinel-2-indices", **query) -> list[dict]:
        body = {"type": "Feature", "id": "field", "geometry": geometry, "properties": {"crop": "rice"}}
        return self.rows("POST", f"/collections/{collection}/timeseries/statistics", json=body, **query)

    def rows(self, method: str, path: str, json: object = None, **query) -> list[dict]:
        answer = self.client.request(method, path, json=json, params=query)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


class Bucket:
    """The objects of a bucket as they are now, to be restored after tests that lose or damage some."""

    def __init__(self, settings: Settings) -> None:
        key, secret = settings.aws_access_key_id, settings.aws_secret_access_key.get_secret_value()
        self.name, self.store = settings.s3_bucket, Minio(settings.store_host, key, secret, secure=False)
        self.etags = self._etags()
        self.contents = {name: self._content(name) for name in self.etags}

    def restore(self) -> None:
        now = self._etags()
        for name in now.keys() - self.etags.keys():
            self.store.remove_object(self.name, name)
        for name, etag in self.etags.items():
            if now.get(name) != etag:
                content = self.contents[name]
                self.store.put_object(self.name, name, io.BytesIO(content), len(content))

    def _etags(self) -> dict[str, str]:
        return {one.object_name: one.etag for one in self.store.list_objects(self.name, recursive=True)}

    def _content(self, name: str) -> bytes:
        with closing(self.store.get_object(self.name, name)) as answer:
            return answer.read()


@pytest.fixture(scope="session")
def ingested(copied, in_a_bucket, template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """Settings of a database and a bucket into which the products were ingested, and that bucket; to be copied."""
    folder: Path = tmp_path_factory.mktemp("products")
    with copied(template) as dsn:
        settings = in_a_bucket(dsn)
        for spec in SPECS:
            outcome = ingest_product(str(write_product(spec, folder)), settings=settings)
            assert outcome.state == "published", outcome
        yield settings, Bucket(settings)


@pytest.fixture(scope="module")
def archive(ingested, copied) -> Iterator[Archive]:
    """Each module has a database of its own; the bucket is put into order before it."""
    original, bucket = ingested
    bucket.restore()
    with copied(conninfo_to_dict(original.pg_dsn)["dbname"]) as dsn:
        settings = original.model_copy(update={"pg_dsn": dsn})
        use_store(settings)
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            yield Archive(settings, client)
