"""Packs that are lost or damaged, found and given up so that they are made anew; packs found again from the bucket."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from posixpath import basename, dirname

from ingest import block_index
from ingest.errors import IngestError
from ingest.pack_plan import document, of_document
from ingest.store import Store
from stac import packs
from stac.database import connect, transaction
from stac.naming import PACKS, pack_document_key, pack_part_of
from stac.packs import Pack, Part
from stac.settings import Settings

log = logging.getLogger(__name__)

_JSON = "application/json"


def damaged(settings: Settings, store: Store) -> tuple[str, ...]:
    """Keys of the objects of packs that the bucket lacks, or holds in another size, sorted; from its listing alone."""
    # In this order: what is entered after the table was read is in the bucket by then, and not asked for.
    wanted = packs.objects(settings)
    held = store.sizes(f"{PACKS}/")
    return tuple(sorted(key for key, size in wanted.items() if key not in held or size not in (None, held[key])))


def corrupt(settings: Settings, store: Store, series: str) -> tuple[str, ...]:
    """Keys of the parts of a series whose content is not what their key says: each is read whole."""
    with transaction(settings, None, f"{series}: its packs cannot be listed") as tx:
        ids = {pack.id for pack in packs.of_series(tx, [series])}
    keys = (key for key in packs.objects(settings) if dirname(key) in ids and pack_part_of(key))
    return tuple(sorted(key for key in keys if not _is_whole(store, key)))


def give_up(settings: Settings, store: Store, keys: Iterable[str]) -> int:
    """Take parts out of table and bucket, so that they are made anew; write documents again. Returns how many."""
    found = list(keys)
    lost = {dirname(key) for key in found if key == pack_document_key(dirname(key))}
    parts = [key for key in found if pack_part_of(key)]
    with transaction(settings, None, "damaged packs cannot be taken out") as tx:
        for pack in packs.of_ids(tx, lost):
            store.put_document(pack_document_key(pack.id), document(pack), _JSON)
        packs.remove_parts(tx, parts)
    # What is there with the right size and name would be taken for whole, and not be written again.
    store.remove(parts)
    return len(found)


def restore(settings: Settings, store: Store) -> int:
    """Enter the packs that the bucket holds and the table does not; returns how many there are in the bucket.

    What cannot be read is logged and left: it will be made anew.
    """
    sizes = store.sizes(f"{PACKS}/")
    found = list(_documents(store, sizes))
    for pack in found:
        with connect(settings) as connection:
            missing = set(pack.parts) - packs.parts_held(connection, pack.id)
        parts = list(_parts(store, pack, sizes, missing))
        with transaction(settings, None, f"{pack.id}: cannot be entered") as tx:
            packs.add(tx, pack)
            for part in parts:
                packs.add_part(tx, part)
    return len(found)


def _is_whole(store: Store, key: str) -> bool:
    try:
        return basename(key).endswith(f"-{sha256(store.get(key)).hexdigest()[:8]}.tif")
    except IngestError as error:
        log.warning("%s", error)
        return False


def _documents(store: Store, keys: Iterable[str]) -> Iterator[Pack]:
    for key in sorted(keys):
        if key != pack_document_key(dirname(key)):
            continue
        try:
            yield of_document(dirname(key), store.get(key))
        except IngestError as error:
            log.warning("%s", error)


def _parts(store: Store, pack: Pack, sizes: Mapping[str, int], missing: set[tuple[int, int]]) -> Iterator[Part]:
    for key, size in sizes.items():
        place = pack_part_of(key)
        if place is None or place[0] != pack.id or place[1:] not in missing:
            continue
        try:
            blocks = block_index.read_blocks(store, key, block=pack.image.block, bands=pack.image.bands)
        except IngestError as error:
            log.warning("%s is not taken for a part of a pack: %s", key, error)
            continue
        if blocks is not None and blocks.codec == pack.image.codec and blocks.predictor == pack.image.predictor:
            yield Part(pack=pack.id, row=place[1], column=place[2], key=key, size=size, spans=blocks.spans)
