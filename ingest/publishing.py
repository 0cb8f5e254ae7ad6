"""Files into the bucket, the items that name them, and the one transaction that publishes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pystac

from ingest import ledger
from ingest.convert import Conversion
from ingest.ledger import Claim
from ingest.omnicloudmask import CloudModel
from ingest.prepared import Prepared
from ingest.retry import patiently
from ingest.stopwatch import Stopwatch
from ingest.store import Store
from stac import catalog
from stac.collections import INDICES, scene_collection
from stac.database import transaction
from stac.items import index_item, scene_item
from stac.naming import item_key, item_prefix
from stac.scene import Scene, StoredAsset
from stac.settings import Settings


def upload(files: Iterable[Prepared], store: Store, settings: Settings, watch: Stopwatch) -> None:
    """Put files into the bucket and check what arrived."""
    for one in files:
        watch("upload")
        asset = one.asset
        patiently(settings)(store.put, asset.key, one.file.path, sha256=asset.sha256, media_type=asset.media_type)


def put_documents(
    items: Iterable[pystac.Item], prefixes: Mapping[str, str], store: Store, settings: Settings, watch: Stopwatch
) -> None:
    """Put each item's document beside its objects, so that the catalogue can be made again from the bucket."""
    for item in items:
        watch("document")
        prefix = prefixes["indices" if item.collection_id == INDICES else "scene"]
        content = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)).encode()
        patiently(settings)(store.put_document, item_key(prefix), content, "application/geo+json")


def publish(
    items: Sequence[pystac.Item],
    files: Iterable[Prepared],
    claim: Claim,
    settings: Settings,
    *,
    timings: Mapping[str, float],
    warning: str | None,
    beside: Sequence[str] = (),
) -> None:
    """The one transaction that makes a product visible: items, block index, ledger, what is superseded.

    `beside` are items (`collection/id`) of the product that the catalogue may hold from before.
    """
    with transaction(settings, None, f"{claim.id}: cannot be published") as tx:
        changed = catalog.publish(items, settings, tx, assets=assets_of(files))
        held = [*names_of(items), *catalog.existing(tx, beside)]
        ledger.published(tx, claim, held, [item_id for _, item_id in changed], timings=timings, warning=warning)


def items_of(
    scene: Scene, conversion: Conversion, settings: Settings, model: CloudModel | None = None
) -> list[pystac.Item]:
    """The items of a scene and of its index product, as far as there are files."""
    items = []
    if conversion.scene:
        items.append(scene_item(scene, assets_of(conversion.scene), conversion.footprint, settings))
    if conversion.indices:
        described = with_model(scene, conversion.indices, model)
        items.append(index_item(described, assets_of(conversion.indices), conversion.footprint, settings))
    return items


def with_model(scene: Scene, files: Iterable[Prepared], model: CloudModel | None) -> Scene:
    """The scene, as its index item describes it: where the mask has the clouds of `model`, its version too."""
    if model is None or not any("ocm" in one.asset.mask_fields for one in files):
        return scene
    return replace(scene, software={**scene.software, **model.software})


def assets_of(prepared: Iterable[Prepared]) -> list[StoredAsset]:
    """The assets that files become."""
    return [one.asset for one in prepared]


def names_of(items: Iterable[pystac.Item]) -> tuple[str, ...]:
    """Items as `collection/id`."""
    return tuple(f"{item.collection_id}/{item.id}" for item in items)


def prefixes_of(scene: Scene) -> dict[str, str]:
    """The folders of a scene's items in the bucket: `scene` and `indices`."""

    def prefix(collection: str) -> str:
        return item_prefix(collection, scene.item_id, scene.name.tile, scene.acquired)

    return {"scene": prefix(scene_collection_of(scene)), "indices": prefix(INDICES)}


def scene_collection_of(scene: Scene) -> str:
    """The collection of a product's own item; of an archive's indices there is no other."""
    return INDICES if scene.source == "sen2chain" else scene_collection(scene.name.level)
