"""Ingest one product: read, convert, upload, verify, publish. Objects first, the catalogue's items last and at once."""

import json
import logging
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import psycopg
import pystac

from ingest.convert import Conversion, Prepared, Step, Target, convert, write_indices
from ingest.errors import IngestError, InvalidProductError
from ingest.outcome import Outcome, State
from ingest.products import open_product
from ingest.products.base import Product
from ingest.products.stored import StoredProduct
from ingest.store import Store
from stac import catalog
from stac.collections import INDICES, L1C, L2A
from stac.errors import StacError
from stac.items import index_item, scene_item
from stac.naming import item_key, item_prefix
from stac.scene import Scene, StoredAsset
from stac.settings import Settings

log = logging.getLogger(__name__)


def ingest_product(
    source: str,
    *,
    settings: Settings,
    assets: frozenset[str] | None = None,
    kind: Literal["auto", "safe", "earth-search"] = "auto",
    step: Step = lambda _: None,
) -> Outcome:
    """Ingest the product at `source`, unless the catalogue holds it already. Never raises for a bad product.

    `assets` restricts which images are read; `step` hears what is being worked on.
    """
    started = time.monotonic()
    product_id: str | None = None
    try:
        product = open_product(source, kind=kind, assets=assets)
        product_id = product.scene.item_id
        state, reason, items = _ingest(product, settings, step)
    except (InvalidProductError, IngestError, StacError, OSError, psycopg.Error) as error:
        state, reason, items = _state_of(error), str(error), ()
        log.warning("%s: %s: %s", source, state, reason)
    return Outcome(
        source=source,
        product=product_id,
        state=state,
        reason=reason,
        items=items,
        seconds=round(time.monotonic() - started, 3),
    )


def underived(settings: Settings) -> list[str]:
    """Ids of the L2A scenes that have no index product yet."""
    return catalog.underived(settings)


def derive_product(item_id: str, *, settings: Settings, step: Step = lambda _: None) -> Outcome:
    """Make the index product of an L2A scene that the catalogue holds, from its stored images."""
    started = time.monotonic()
    state: State = "published"
    reason: str | None = None
    items: tuple[str, ...] = ()
    try:
        item = catalog.get_item(settings, L2A, item_id)
        if item is None:
            raise InvalidProductError(f"{item_id}: the catalogue holds no such L2A scene")
        store = Store.connect(settings)
        items = _derive(StoredProduct(item, store), store, settings, step)
    except (IngestError, StacError, OSError, psycopg.Error) as error:
        state, reason = _state_of(error), str(error)
    seconds = round(time.monotonic() - started, 3)
    return Outcome(source=item_id, product=item_id, state=state, reason=reason, items=items, seconds=seconds)


def _ingest(product: Product, settings: Settings, step: Step) -> tuple[State, str | None, tuple[str, ...]]:
    held = _held(product, settings)
    if held is not None:
        return "unchanged", held, ()
    store = Store.connect(settings)
    prefixes = _prefixes(product.scene)
    with tempfile.TemporaryDirectory(prefix="sen2extract-") as folder:
        conversion = convert(product, Path(folder), prefixes, step)
        step("upload")
        _upload(store, (*conversion.scene, *conversion.indices))
    items = _items(product.scene, conversion, settings)
    _publish(items, (*conversion.scene, *conversion.indices), prefixes, store, settings)
    return "published", conversion.warning, tuple(f"{item.collection_id}/{item.id}" for item in items)


def _derive(product: StoredProduct, store: Store, settings: Settings, step: Step) -> tuple[str, ...]:
    prefixes = _prefixes(product.scene)
    rasters = {name: product.read(name) for name in product.images}
    with tempfile.TemporaryDirectory(prefix="sen2extract-") as folder:
        target = Target(folder=Path(folder), prefix=prefixes["indices"])
        prepared = write_indices(product, rasters, target, step)
        if not prepared:
            raise InvalidProductError(f"{product.scene.item_id}: no index can be made from the images held")
        _upload(store, prepared)
    item = index_item(product.scene, [p.asset for p in prepared], product.footprint, settings)
    _publish([item], prepared, prefixes, store, settings)
    return (f"{item.collection_id}/{item.id}",)


def _held(product: Product, settings: Settings) -> str | None:
    """Why there is nothing to do: the catalogue holds this very product, or a more complete copy of it."""
    scene = product.scene
    item = catalog.get_item(settings, _collection(scene), scene.item_id)
    if item is None:
        return None
    missing = set(product.images) - set(item["assets"])
    if missing:
        return None
    if item["properties"].get("sen2extract:fingerprint") == scene.fingerprint:
        return "held already"
    more = set(item["assets"]) - set(product.images) - {"thumbnail"} - {d.name for d in product.documents}
    if more and item["properties"].get("sen2extract:source") != scene.source:
        return f"held already, from {item['properties'].get('sen2extract:source')}, with more images"
    return None


def _items(scene: Scene, conversion: Conversion, settings: Settings) -> list[pystac.Item]:
    items = [scene_item(scene, _assets(conversion.scene), conversion.footprint, settings)]
    if conversion.indices:
        items.append(index_item(scene, _assets(conversion.indices), conversion.footprint, settings))
    return items


def _publish(
    items: list[pystac.Item],
    prepared: Iterable[Prepared],
    prefixes: dict[str, str],
    store: Store,
    settings: Settings,
) -> None:
    for item in items:
        prefix = prefixes["indices" if item.collection_id == INDICES else "scene"]
        content = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)).encode()
        store.put_document(item_key(prefix), content, "application/geo+json")
    catalog.publish(items, settings, assets=_assets(prepared))


def _upload(store: Store, prepared: Iterable[Prepared]) -> None:
    for one in prepared:
        store.put(one.asset.key, one.file.path, sha256=one.asset.sha256, media_type=one.asset.media_type)


def _assets(prepared: Iterable[Prepared]) -> list[StoredAsset]:
    return [one.asset for one in prepared]


def _prefixes(scene: Scene) -> dict[str, str]:
    def prefix(collection: str) -> str:
        return item_prefix(collection, scene.item_id, scene.name.tile, scene.acquired)

    return {"scene": prefix(_collection(scene)), "indices": prefix(INDICES)}


def _collection(scene: Scene) -> str:
    return L1C if scene.name.level == "L1C" else L2A


def _state_of(error: Exception) -> State:
    return "invalid" if isinstance(error, InvalidProductError) else "failed"
