"""Products registered in bulk: scene and index product with the block index of all their images, many at a time."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched, count
from typing import Any

import archive
import numpy as np

from stac import catalog
from stac.bands import bands_of, layers_of
from stac.blocks import BLOCK
from stac.collections import INDICES, L2A
from stac.database import connect
from stac.decode import GUARD
from stac.indices import stored_indices
from stac.items import index_item, scene_item
from stac.naming import ProductName
from stac.scene import Blocks, Footprint, Radiometry, Scene, StoredAsset
from stac.settings import Settings

BATCH = 100
"""Products per transaction."""
_FIRST_BLOCK = 50_000
_SPAN = np.dtype([("offset", "<u8"), ("length", "<u4")])
_random = np.random.default_rng(12)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What is registered of a product."""

    items: tuple[dict[str, Any], dict[str, Any]]
    assets: tuple[StoredAsset, ...]


def products(settings: Settings, first: datetime, batch: int = BATCH) -> Iterator[tuple[Registered, ...]]:
    """Batches of products of all tiles, a day apart from `first` on, without end."""
    template = archive.example_scene()
    moments = (first + timedelta(days=number) for number in count())
    yield from batched(
        (_product(settings, template, tile, moment) for moment in moments for tile in archive.tiles()), batch
    )


def register(settings: Settings, *batches: tuple[Registered, ...]) -> None:
    """Publish each batch in one transaction, all by one connection, as `rebuild` does."""
    with connect(settings) as connection:
        for batch in batches:
            items = [item for one in batch for item in one.items]
            catalog.publish(items, settings, connection, assets=[asset for one in batch for asset in one.assets])
            connection.commit()


def _product(settings: Settings, template: Scene, tile: archive.Tile, moment: datetime) -> Registered:
    name = ProductName.parse(archive.name(tile, moment))
    scene = replace(template, name=name, acquired=moment)
    box = (tile.west, tile.south, tile.west + 1, tile.south + 1)
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
    footprint = Footprint(geometry={"type": "Polygon", "coordinates": [ring]}, bbox=box)
    raw, classes = Radiometry(scale=0.0001, offset=-0.1, nodata=0), Radiometry(nodata=0)
    bands = [_image(scene, L2A, band.name, band.gsd, "uint16", raw) for band in bands_of("L2A")]
    layers = [_image(scene, L2A, layer.name, layer.gsd, layer.data_type, classes) for layer in layers_of("L2A")]
    index = Radiometry(scale=0.0001, offset=0.0, nodata=-32768)
    images = [_image(scene, INDICES, one.name, 10, "int16", index) for one in stored_indices()]
    mask = _image(scene, INDICES, "MASK", 10, "uint16", classes)
    items = (
        scene_item(scene, [*bands, *layers], footprint, settings),
        index_item(scene, [*images, mask], footprint, settings),
    )
    scene_document, index_document = (item.to_dict(include_self_link=False, transform_hrefs=False) for item in items)
    return Registered(items=(scene_document, index_document), assets=(*bands, *layers, *images, mask))


def _image(*arguments: Any) -> StoredAsset:
    image = archive.image(*arguments, sha256=secrets.token_hex(32))
    assert image.grid is not None
    blocks = Blocks(data_type=str(image.data_type), codec="zstd", predictor=2, spans=_spans(image.grid.width))
    return replace(image, blocks=blocks)


def _spans(width: int) -> bytes:
    """Places of blocks that lie one after the other, as in a COG, each of another length."""
    spans = np.empty((-(-width // BLOCK)) ** 2, dtype=_SPAN)
    spans["length"] = _random.integers(60_000, 120_000, len(spans))
    spans["offset"] = _FIRST_BLOCK + np.cumsum(spans["length"] + 2 * GUARD) - spans["length"]
    return spans.tobytes()
