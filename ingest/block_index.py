"""The block index made again from the bucket: the headers of the files that the catalogue names are read."""

import logging
from collections.abc import Iterable
from typing import Any

from ingest import tiff
from ingest.errors import IngestError, InvalidProductError
from ingest.store import Store
from stac import blocks, catalog
from stac.assets import object_key
from stac.database import transaction
from stac.scene import Blocks, Grid, Radiometry, StoredAsset
from stac.settings import Settings

log = logging.getLogger(__name__)
_HEADER = 65_536
_CHECKED = 16


def fill(settings: Settings, items: Iterable[tuple[str, str]] | None = None) -> tuple[str, ...]:
    """Index the images of `items` (collection, id), by default of those that lack it, and take out what has no item.

    Returns the items indexed, as `collection/id`; one that cannot be read is logged and left out.
    """
    store = Store.connect(settings)
    wanted = blocks.lacking(settings) if items is None else list(items)
    done = []
    for collection, item_id in wanted:
        item = catalog.get_item(settings, collection, item_id)
        if item is None:
            continue
        try:
            assets = [asset for name in item["assets"] if (asset := read_asset(store, item, name)) is not None]
        except IngestError as error:
            log.warning("%s/%s is not in the block index: %s", collection, item_id, error)
            continue
        with transaction(settings, None, f"cannot index {collection}/{item_id}") as tx:
            blocks.write(tx, [item], assets)
        done.append(f"{collection}/{item_id}")
    blocks.remove_orphans(settings)
    return tuple(done)


def read_asset(store: Store, item: dict[str, Any], name: str) -> StoredAsset | None:
    """The image `name` of an item, with its blocks; None for what is no image of one band. Raises `IngestError`."""
    asset = item["assets"][name]
    code = asset.get("proj:code", item["properties"].get("proj:code"))
    key = object_key(asset)
    if not (code and key and asset.get("proj:shape") and asset.get("proj:transform")):
        return None
    found = read_blocks(store, key)
    if found is None:
        return None
    height, width = asset["proj:shape"]
    size, _, left, _, _, top, *_ = asset["proj:transform"]
    return StoredAsset(
        name=name,
        key=key,
        size=asset.get("file:size", 0),
        sha256=str(asset.get("file:checksum", ""))[4:],
        media_type=asset.get("type", ""),
        grid=Grid(
            epsg=int(code.rpartition(":")[2]),
            width=width, height=height, left=left, top=top, pixel_width=size, pixel_height=size,
        ),
        radiometry=Radiometry(
            scale=asset.get("raster:scale", 1.0), offset=asset.get("raster:offset", 0.0), nodata=asset.get("nodata")
        ),
        blocks=found,
    )  # fmt: skip


def read_blocks(store: Store, key: str, *, block: int = blocks.BLOCK, bands: int = 1) -> Blocks | None:
    """Where the blocks of the image at `key` lie, by its header, checked in places; None if it is stored otherwise.

    Raises `IngestError`.
    """
    head = store.get_range(key, 0, _HEADER)

    def read(start: int, length: int) -> bytes:
        return head[start : start + length] if start + length <= len(head) else store.get_range(key, start, length)

    try:
        found = tiff.blocks(read, block=block, bands=bands)
        if found is not None:
            # Each check is two requests: a few, over the whole image, tell a file that is not the one meant.
            count = len(found.spans) // blocks.SPAN
            tiff.verify(read, found.spans, key, every=max(1, -(-count // _CHECKED)))
    except InvalidProductError as error:
        raise InvalidProductError(f"{key}: {error}") from error
    return found
