"""Whether there is anything to do for a product: what ledger and catalogue tell of it."""

from ingest.ledger import Entry, Subject
from ingest.products.base import Product
from ingest.publishing import scene_collection_of
from stac import catalog
from stac.settings import Settings


def held_already(product: Product, subject: Subject, entry: Entry | None, settings: Settings) -> str | None:
    """Why there is nothing to do: the catalogue holds this very product, or a more complete copy of it, or did."""
    scene = product.scene
    item = catalog.get_item(settings, scene_collection_of(scene), scene.item_id)
    if item is None:
        return _removed(entry, f"{scene_collection_of(scene)}/{scene.item_id}")
    if scene.source == "sen2chain" != item["properties"].get("sen2extract:source"):
        return "held already, made from the scene itself: better than the archive's lossy copy"
    missing = set(product.images) - set(item["assets"])
    if missing:
        return None
    if item["properties"].get("sen2extract:fingerprint") == scene.fingerprint:
        return None if entry is not None and _touched(entry, subject) else "held already"
    more = set(item["assets"]) - set(product.images) - {"thumbnail"} - {d.name for d in product.documents}
    if more and item["properties"].get("sen2extract:source") != scene.source:
        return f"held already, from {item['properties'].get('sen2extract:source')}, with more images"
    return None


def refused_before(entry: Entry, subject: Subject) -> bool:
    """Whether these very files were found invalid at an earlier attempt, also of a product that is held already."""
    same = subject.inventory is not None and entry.inventory == subject.inventory
    return same and entry.source == subject.source and (entry.state == "invalid" or entry.refused is not None)


def _removed(entry: Entry | None, key: str) -> str | None:
    """What retention took out stays out, until it is asked for by name."""
    if entry is None or key not in entry.removed:
        return None
    return f"{entry.reason or 'removed by retention'}; bring it back with: sen2extract retry {entry.id}"


def _touched(entry: Entry, subject: Subject) -> bool:
    """Whether files were written again since, perhaps with other bytes of the same number."""
    if entry.source != subject.source or not entry.inventory or not subject.inventory:
        return False
    return entry.inventory.partition(":")[0] != subject.inventory.partition(":")[0]
