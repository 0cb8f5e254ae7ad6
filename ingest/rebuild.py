"""The catalogue, the block index and the ledger made again from the bucket alone: from the item documents in it."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched
from posixpath import basename, dirname
from typing import Any

from ingest import alignment, block_index, pack_care
from ingest.store import Store
from stac import catalog
from stac.collections import COLLECTION_IDS
from stac.database import connect
from stac.naming import item_key
from stac.settings import Settings

log = logging.getLogger(__name__)

_BATCH = 100
"""Items per transaction."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What was found in the bucket: items published, and documents that could not be, with the reason; packs."""

    items: int
    indexed: int
    entries: int
    refused: tuple[tuple[str, str], ...]
    packs: int = 0


def rebuild(settings: Settings) -> Rebuilt:
    """Publish every item document of the bucket whose objects are all there; what the catalogue holds already stays.

    The database has to be migrated. Which product counts is settled as at ingestion.
    Raises `StoreError`, `CatalogError`.
    """
    store = Store.connect(settings)
    held = set(store.keys())
    refused: list[tuple[str, str]] = []
    items = 0
    with connect(settings) as connection:
        for keys in batched(sorted(filter(_is_document, held)), _BATCH):
            documents = list(_readable(store, settings, keys, held, refused))
            catalog.publish(documents, settings, connection)
            connection.commit()
            items += len(documents)
    indexed = block_index.fill(settings)
    packs = pack_care.restore(settings, store)
    return Rebuilt(
        items=items, indexed=len(indexed), entries=alignment.align(settings), refused=tuple(refused), packs=packs
    )


def _is_document(key: str) -> bool:
    return key.split("/", 1)[0] in COLLECTION_IDS and key == item_key(dirname(key))


def _readable(
    store: Store, settings: Settings, keys: tuple[str, ...], held: set[str], refused: list[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    for key in keys:
        try:
            document = json.loads(store.get(key))
            missing = sorted(_objects(document, settings) - held)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            missing, document = [], None
            reason = f"no item document: {error}"
        if document is not None and not missing:
            yield document
            continue
        if missing:
            reason = f"{len(missing)} objects are missing: {', '.join(basename(name) for name in missing)}"
        refused.append((key, reason))
        log.warning("%s: %s", key, reason)


def _objects(document: dict[str, Any], settings: Settings) -> set[str]:
    hrefs = (asset["alternate"]["s3"]["href"] for asset in document["assets"].values())
    return {href.removeprefix(settings.s3_href("")) for href in hrefs}
