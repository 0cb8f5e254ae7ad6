"""Scenes and items."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from stac.api import create_app
from stac.assets import COG
from stac.bands import bands_of, layers_of
from stac.collections import INDICES
from stac.indices import stored_indices
from stac.items import index_item, scene_item
from stac.naming import ProductName, asset_key, item_prefix
from stac.scene import Footprint, Grid, Radiometry, Scene, Statistics, StoredAsset
from stac.settings import Settings, WriterSettings

NAME = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"


@pytest.fixture(scope="session")
def plain_settings() -> Settings:
    """Settings for what needs no server."""
    return Settings(
        public_url="https://eo.example.org",
        s3_public_url="https://eo.example.org/data",
        s3_bucket="archive",
        aws_secret_access_key=SecretStr("only-for-tests"),
    )


def make_scene(name: str = NAME, **changes: Any) -> Scene:
    """A complete scene called `name`."""
    product = ProductName.parse(name)
    start, baseline = f"{product.datatake_start:%Y%m%dT%H%M%S}", str(product.baseline)
    generated = f"{product.discriminator:%Y%m%dT%H%M%S}"
    scene = Scene(
        name=product,
        acquired=product.datatake_start + timedelta(seconds=771, milliseconds=24),
        generated=product.discriminator,
        datatake_id=f"G{product.unit}_{start}_049836_N{baseline}",
        datastrip_id=f"{product.unit}_OPER_MSI_{product.level}_DS_2APS_{generated}_S{start}_N{baseline}",
        granule_id=f"{product.unit}_OPER_MSI_{product.level}_TL_2APS_{generated}_A049836_T{product.tile}_N{baseline}",
        fingerprint="ab" * 32,
        source="safe",
        absolute_orbit=49836,
        orbit_state="descending",
        sun_azimuth=140.123,
        sun_elevation=50.4,
        view_azimuth=104.2,
        view_incidence=7.9,
        cloud_cover=12.5,
        snow_cover=0.0,
        quality={"s2:water_percentage": 1.25, "s2:nodata_pixel_percentage": 0.0},
        software={"sen2extract": "0.1.0"},
    )
    return replace(scene, **changes)


def make_footprint(west: float = 104.9, south: float = 11.7) -> Footprint:
    """A rectangle of one degree."""
    east, north = west + 1.0, south + 1.0
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return Footprint(geometry={"type": "Polygon", "coordinates": [ring]}, bbox=(west, south, east, north))


def _stored(scene: Scene, name: str, *, gsd: int, data_type: str, meaning: Radiometry, collection: str) -> StoredAsset:
    prefix = item_prefix(collection, scene.item_id, scene.name.tile, scene.acquired)
    size = 109800 // gsd
    return StoredAsset(
        name=name,
        key=asset_key(prefix, name, "cd" * 32, ".tif"),
        size=123456789,
        sha256="cd" * 32,
        media_type=COG,
        grid=Grid(epsg=32648, width=size, height=size, left=499980.0, top=1400040.0, pixel_width=gsd, pixel_height=gsd),
        data_type=data_type,
        radiometry=meaning,
        statistics=Statistics(minimum=1, maximum=12345, mean=2345.678, stddev=123.456, valid_percent=99.1),
    )


def make_scene_assets(scene: Scene) -> list[StoredAsset]:
    """Every image and a metadata file."""
    collection = f"sentinel-2-{scene.name.level.lower()}"
    reflectance = Radiometry(scale=0.0001, offset=-0.1, nodata=0)
    bands = [
        _stored(scene, band.name, gsd=band.gsd, data_type="uint16", meaning=reflectance, collection=collection)
        for band in bands_of(scene.name.level)  # type: ignore[arg-type]
    ]
    layers = [
        _stored(
            scene,
            layer.name,
            gsd=layer.gsd,
            data_type=layer.data_type,
            meaning=Radiometry(nodata=layer.nodata),
            collection=collection,
        )
        for layer in layers_of(scene.name.level)  # type: ignore[arg-type]
    ]
    metadata = StoredAsset(
        name="product_metadata", key="some/MTD.xml", size=55, sha256="ef" * 32, media_type="application/xml"
    )
    return [*bands, *layers, metadata]


def make_index_assets(scene: Scene, fields: tuple[str, ...] = ()) -> list[StoredAsset]:
    """The stored indices and the mask."""
    meaning = Radiometry(scale=0.0001, offset=0.0, nodata=-32768)
    images = [
        _stored(scene, index.name, gsd=10, data_type="int16", meaning=meaning, collection=INDICES)
        for index in stored_indices()
    ]
    mask = _stored(scene, "MASK", gsd=10, data_type="uint16", meaning=Radiometry(nodata=0), collection=INDICES)
    return [*images, replace(mask, mask_fields=fields)]


@pytest.fixture(scope="session")
def serve(free_port: Callable[..., int]) -> Callable[..., AbstractContextManager[str]]:
    """Serves the API on a real port, under /stac, as behind the gateway; yields its address."""

    @contextmanager
    def serving(settings: Settings, writers: WriterSettings | None = None) -> Iterator[str]:
        app = create_app(settings, writers)

        async def under_stac(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "root_path": "/stac"}, receive, send)

        port = free_port()
        running = uvicorn.Server(uvicorn.Config(under_stac, port=port, log_level="warning", ws="none", lifespan="on"))
        thread = threading.Thread(target=running.run)
        thread.start()
        while not running.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/stac"
        running.should_exit = True
        thread.join()

    return serving


type Document = dict[str, Any]


@pytest.fixture(scope="session")
def documents(plain_settings: Settings) -> Callable[..., list[Document]]:
    """Makes the item documents of a product: of its scene and, for L2A, of its index product."""

    def make(name: str = NAME, footprint: Footprint | None = None, **changes: Any) -> list[Document]:
        scene, outline = make_scene(name, **changes), footprint or make_footprint()
        items = [scene_item(scene, make_scene_assets(scene), outline, plain_settings)]
        if scene.name.level == "L2A":
            items.append(index_item(scene, make_index_assets(scene), outline, plain_settings))
        dicts = [item.to_dict(include_self_link=False, transform_hrefs=False) for item in items]
        return [json.loads(json.dumps(each)) for each in dicts]

    return make


@pytest.fixture(scope="session")
def product_name() -> Callable[..., str]:
    """Makes product names that differ where one says."""

    def make(
        day: int = 5, baseline: str = "0511", made: str = "20250601T000000", level: str = "L2A", tile: str = "48PWU"
    ) -> str:
        start = datetime(2025, 1, 1, 3, 11, 21, tzinfo=UTC) + timedelta(days=day - 1)
        return f"S2A_MSI{level}_{start:%Y%m%dT%H%M%S}_N{baseline}_R075_T{tile}_{made}"

    return make


class Make:
    """The makers above, for tests that vary what goes in."""

    scene = staticmethod(make_scene)
    scene_assets = staticmethod(make_scene_assets)
    index_assets = staticmethod(make_index_assets)
    footprint = staticmethod(make_footprint)
    replace = staticmethod(replace)


@pytest.fixture(scope="session")
def make() -> type[Make]:
    """Makers of scenes, assets and footprints."""
    return Make
