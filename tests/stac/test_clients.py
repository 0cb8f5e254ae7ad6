"""The clients that people use, run against the API on a real port and against the store."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import odc.stac
import pystac_client
import pytest
import rasterio
from minio import Minio

from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, write_product
from stac.collections import COLLECTION_IDS, INDICES, L2A

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

FIRST = ProductSpec(sensing=datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), size=192, cloudiness=0.2)
SPECS = [replace(FIRST, sensing=FIRST.sensing + timedelta(days=5 * number)) for number in range(3)]
NAMES = sorted(spec.name for spec in SPECS)


@pytest.fixture(scope="module")
def archive(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three days of a tile, in a bucket whose objects the world may read."""
    for spec in SPECS:
        outcome = ingest_product(str(write_product(spec, tmp_path_factory.mktemp("products"))), settings=settings)
        assert outcome.state == "published", outcome
    store = Minio(
        settings.store_host,
        access_key=settings.aws_access_key_id,
        secret_key=settings.aws_secret_access_key.get_secret_value(),
        secure=False,
    )
    may_read = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{settings.s3_bucket}/*"],
    }
    store.set_bucket_policy(settings.s3_bucket, json.dumps({"Version": "2012-10-17", "Statement": [may_read]}))
    return settings


@pytest.fixture(scope="module")
def server(archive: Settings, serve: Callable[..., Any]) -> Iterator[str]:
    with serve(archive) as address:
        yield address


@pytest.fixture(scope="module")
def api(server: str) -> pystac_client.Client:
    return pystac_client.Client.open(server)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_searches_sorts_and_pages(api: pystac_client.Client, method: Any) -> None:
    search = api.search(collections=[L2A], sortby="-datetime", limit=1, method=method)

    assert {each.id for each in api.get_collections()} == set(COLLECTION_IDS)
    assert search.matched() == 3
    assert [item.id for item in search.items()] == NAMES[::-1]
    assert len(list(search.pages())) == 3
    assert len(list(api.search(limit=2, method=method).items())) == 6
    assert len(list(api.search(max_items=2, method=method).items())) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_filters_and_cuts_fields(api: pystac_client.Client, method: Any) -> None:
    covers = {item.id: item.properties["eo:cloud_cover"] for item in api.search(collections=[L2A]).items()}
    middle = sorted(covers.values())[1]
    expected = sorted(name for name, cover in covers.items() if cover <= middle)
    json_ = {"op": "<=", "args": [{"property": "eo:cloud_cover"}, middle]}
    text = f"eo:cloud_cover <= {middle}"
    asked = text if method == "GET" else json_
    found = api.search(collections=[L2A], filter=asked, method=method)
    queried = api.search(collections=[L2A], query={"eo:cloud_cover": {"lte": middle}}, method=method)
    lean = api.search(collections=[L2A], fields=["id", "properties.platform"], method=method)

    assert sorted(item.id for item in found.items()) == expected
    assert sorted(item.id for item in queried.items()) == expected
    assert all(set(each["properties"]) <= {"platform", "datetime"} for each in lean.items_as_dicts())
    assert all("assets" not in each for each in lean.items_as_dicts())


def test_an_item_tells_where_its_maps_and_originals_are(api: pystac_client.Client) -> None:
    item = next(iter(api.search(collections=[INDICES], ids=NAMES[:1]).items()))

    assert {"xyz", "tilejson", "wmts", "preview", "timeseries", "derived_from"} <= {link.rel for link in item.links}


@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo's own
def test_odc_stac_loads_a_cube_of_the_right_reflectance(api: pystac_client.Client) -> None:
    items = list(api.search(collections=[L2A], sortby="+datetime").items())
    cube = odc.stac.load(items, bands=["B04", "B11"])

    assert [str(day)[:10] for day in cube.time.values] == ["2025-01-05", "2025-01-10", "2025-01-15"]
    for number, item in enumerate(items):
        asset = item.assets["B04"]
        with rasterio.open(asset.href) as source:
            digital, scale, offset = source.read(1), source.scales[0], source.offsets[0]
        loaded = cube.B04[number].values
        np.testing.assert_array_equal(loaded, digital)
        reflectance = loaded * asset.extra_fields["raster:scale"] + asset.extra_fields["raster:offset"]
        np.testing.assert_allclose(reflectance, digital * scale + offset)
        assert 0 < np.median(reflectance[loaded > 0]) < 1


def test_gdal_opens_an_href_and_reads_a_block_of_it(api: pystac_client.Client) -> None:
    item = next(iter(api.search(collections=[INDICES], ids=NAMES[:1]).items()))
    href = item.assets["NDVI"].href

    with rasterio.open(f"/vsicurl/{href}") as source:
        window = source.read(1, window=((0, 64), (0, 64)))
        assert (source.nodata, source.scales[0]) == (-32768, 0.0001)
    with rasterio.MemoryFile(httpx.get(href).content) as whole, whole.open() as source:
        np.testing.assert_array_equal(window, source.read(1)[:64, :64])
    part = httpx.get(href, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"II*\0")


def test_gdal_opens_a_search_as_one_mosaic(server: str, api: pystac_client.Client) -> None:
    item = next(iter(api.search(collections=[L2A], ids=NAMES[:1]).items()))
    search = f"{server}/search?collections={L2A}&ids={NAMES[0]}"

    with rasterio.open(f'STACIT:"{search}":asset=B04') as mosaic, rasterio.open(item.assets["B04"].href) as source:
        assert mosaic.driver == "STACIT"
        assert mosaic.crs == source.crs
        assert mosaic.transform.almost_equals(source.transform, 1e-6)
        np.testing.assert_array_equal(mosaic.read(1), source.read(1))
