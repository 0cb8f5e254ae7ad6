"""Products that are kept no longer: catalogue first, objects after; the ledger remembers both.

A product goes in one transaction: its items, their rows of the block index and of the observations, and what the ledger
says. The folders of its objects are noted in the same transaction and emptied after it, by this run or by the next.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ingest import ledger, removed, watched
from ingest.errors import BusyError
from ingest.retention_choice import Choice, Held, choose
from ingest.retry import patiently
from ingest.store import Store
from stac import catalog
from stac.collections import COLLECTION_IDS
from stac.database import only_one, transaction
from stac.naming import Tile, item_prefix
from stac.settings import Settings

log = logging.getLogger(__name__)

type State = Literal["removed", "would be removed", "kept", "busy"]

_LOCKS = 0x53325245  # the number space of our advisory locks: "S2RE"
_TILES = "SELECT DISTINCT substr(id, 40, 5) FROM pgstac.items WHERE collection = ANY(%s) ORDER BY 1"
_HELD = """
SELECT collection, id, datetime, (content->'properties'->>'eo:cloud_cover')::float8,
  CASE content->'properties'->'deprecated' WHEN 'true' THEN (content->'properties'->>'updated')::timestamptz END,
  coalesce(content->'properties'->>'s2:datastrip_id', '')
FROM pgstac.items WHERE collection = ANY(%s) AND pgstac.to_text(content->'properties'->'grid:code') = %s
ORDER BY id, collection
"""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What became of a product that rules let go: `product` as `collection/id`, and why."""

    product: str
    state: State
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


def retain(settings: Settings, *, tile: str | None = None, dry_run: bool = False) -> Iterator[Removal]:
    """Remove what the rules let go, of one tile or of all, and say of each product what became of it and why.

    Begins with what an earlier run did not finish. Raises `BusyError` while another run is at it, `StoreError` where
    objects cannot be removed: what is out of the catalogue is said then, and the next run removes the objects.
    """
    with only_one(settings, _LOCKS, "retention") as free:
        # Each run decides by what the one before has left.
        if not free:
            raise BusyError("another run of retention is at it: wait for its end")
        if not dry_run:
            finish(settings)
        areas = watched.approved(settings)
        for each in [str(Tile.parse(tile))] if tile else _tiles(settings):
            rules = watched.rules(each, areas, settings.retention)
            if any(rules.values()):
                for choices in choose(_held(settings, each), rules, datetime.now(UTC)):
                    yield from _told(settings, choices, dry_run=dry_run)


def finish(settings: Settings) -> int:
    """Remove the objects of products that are out of the catalogue; returns of how many there were some left."""
    found = removed.unfinished(settings)
    _empty_all(settings, found)
    return len(found)


def _told(settings: Settings, choices: Sequence[Choice], *, dry_run: bool) -> Iterator[Removal]:
    """Remove what is to go of an acquisition, all of it or nothing."""
    going = [choice for choice in choices if choice.goes]
    state: State = "would be removed" if dry_run else "removed"
    note = ""
    if going and not dry_run:
        try:
            patiently(settings)(_remove, settings, going)
        except BusyError as error:
            state, note = "busy", f": {error}"
    for choice in choices:
        told: State = state if choice.goes else "kept"
        yield Removal(product=choice.held.key, state=told, reason=choice.reason + (note if choice.goes else ""))
    if going and state == "removed":
        _empty_all(settings, {name: [_folder(one.held) for one in own] for name, own in _by_id(going).items()})


def _by_id(choices: Iterable[Choice]) -> dict[str, list[Choice]]:
    """A scene and its indices have one id, and one entry of the ledger."""
    found: defaultdict[str, list[Choice]] = defaultdict(list)
    for choice in choices:
        found[choice.held.id].append(choice)
    return found


def _remove(settings: Settings, going: Sequence[Choice]) -> None:
    by_id = _by_id(going)
    with ExitStack() as stack:
        for product in sorted(by_id):
            if not stack.enter_context(ledger.product_lock(settings, product)):
                raise BusyError("another worker is at it, so that nothing of its acquisition goes now")
        with transaction(settings, None, f"{', '.join(by_id)}: cannot be removed") as tx:
            catalog.remove([(choice.held.collection, choice.held.id) for choice in going], settings, tx)
            for product, choices in by_id.items():
                reason = f"removed by retention: {'; '.join(dict.fromkeys(choice.reason for choice in choices))}"
                keys = [choice.held.key for choice in choices]
                removed.note(tx, product, keys, [_folder(choice.held) for choice in choices], reason)
    log.info("%s: removed", ", ".join(choice.held.key for choice in going))


def _empty_all(settings: Settings, folders: Mapping[str, Sequence[str]]) -> None:
    store = Store.connect(settings)
    for product, own in folders.items():
        _empty(settings, store, product, own)


def _empty(settings: Settings, store: Store, product: str, folders: Sequence[str]) -> None:
    """Remove the objects of folders, unless their product has come back."""
    with ledger.product_lock(settings, product) as free:
        if not free:
            return  # it is on its way back
        keys = [f"{folder.split('/', 1)[0]}/{product}" for folder in folders]
        with transaction(settings, None, f"{product}: cannot be looked up") as tx:
            back = set(catalog.existing(tx, keys))
        gone = [folder for folder, key in zip(folders, keys, strict=True) if key not in back]
        for folder in gone:
            patiently(settings)(_empty_folder, store, folder)
        removed.finished(settings, product)


def _empty_folder(store: Store, folder: str) -> None:
    store.remove(list(store.keys(f"{folder}/")))


def _folder(held: Held) -> str:
    return item_prefix(held.collection, held.id, Tile.parse(held.tile), held.acquired)


def _tiles(settings: Settings) -> list[str]:
    with transaction(settings, None, "the tiles held") as tx:
        return [row[0] for row in tx.execute(_TILES, (list(COLLECTION_IDS),)).fetchall()]


def _held(settings: Settings, tile: str) -> list[Held]:
    with transaction(settings, None, f"{tile}: what is held") as tx:
        rows = tx.execute(_HELD, (list(COLLECTION_IDS), f"MGRS-{tile}")).fetchall()
    names = ("collection", "id", "acquired", "cloud", "since", "datastrip")
    return [Held(tile=tile, **dict(zip(names, row, strict=True))) for row in rows]
