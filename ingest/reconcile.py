"""Whether bucket, catalogue, block index and ledger agree, and what can be done where they do not."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from posixpath import basename, dirname
from typing import Any

from ingest import alignment, block_index, pack_care
from ingest.derivation import derive_product, underived
from ingest.handover import PREFIX
from ingest.outcome import Outcome
from ingest.store import Store
from stac import jobs, observations, packs
from stac.inventory import export_keys, object_keys
from stac.settings import Settings

SAFETY = timedelta(hours=24)
"""Objects younger than this may be those of an ingestion that is not finished."""

_MANY = 20


@dataclass(frozen=True, kw_only=True)
class Report:
    """Differences between catalogue and bucket.

    `missing`: objects that items name and the bucket lacks. `unknown`: objects that no item names, left by an
    interrupted ingestion or a replaced version. `underived`: L2A scenes that lack indices or a mask.
    `unpacked`: objects of packs that are lost or of another size; the images are read from their COGs.
    """

    items: int
    objects: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    underived: tuple[str, ...]
    unpacked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every asset of every item can be read."""
        return not self.missing

    def as_dict(self) -> dict[str, Any]:
        """For JSON: counts, and up to twenty examples of each kind."""
        return {**_counted(asdict(self), ("missing", "unknown", "underived", "unpacked")), "ok": self.ok}


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was repaired: orphan objects removed, index products made, images indexed anew, rows set right.

    `observed` counts rows of the table of observations, `entries` those of the ledger, `unpacked` objects of packs that
    were given up: `sen2extract pack` makes them anew.
    """

    removed: tuple[str, ...]
    derived: tuple[Outcome, ...]
    indexed: tuple[str, ...]
    observed: int
    entries: int
    unpacked: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: counts, and up to twenty examples of each kind."""
        return _counted(asdict(self), ("removed", "derived", "indexed"))


def report(settings: Settings) -> Report:
    """Compare the keys of the bucket with the assets of the catalogue; changes nothing."""
    store = Store.connect(settings)
    named = object_keys(settings)
    held = {key for key, _ in store.entries() if not key.startswith((jobs.PREFIX, PREFIX))}
    wanted = {key for keys in named.values() for key in keys} | export_keys(settings)
    return Report(
        items=len(named),
        objects=len(held),
        missing=tuple(sorted(wanted - held)),
        unknown=tuple(sorted(held - wanted - packs.objects(settings).keys())),
        underived=tuple(underived(settings)),
        unpacked=pack_care.damaged(settings, store),
    )


def fix(settings: Settings, *, older_than: timedelta = SAFETY) -> Repair:
    """Repair what can be: objects that are missing cannot; `sen2extract retry` of their products brings them back.

    Objects that no item names are removed if they are older than `older_than` and nobody is at their product.
    """
    store = Store.connect(settings)
    unpacked = pack_care.give_up(settings, store, pack_care.damaged(settings, store))
    derived = tuple(derive_product(item_id, settings=settings) for item_id in underived(settings))
    return Repair(
        removed=tuple(_remove_orphans(settings, older_than)),
        derived=derived,
        indexed=block_index.fill(settings),
        observed=observations.repair(settings),
        entries=alignment.align(settings),
        unpacked=unpacked,
    )


def products_of(keys: Iterable[str]) -> list[str]:
    """The ids of the items to which objects belong, sorted."""
    return sorted({basename(dirname(key)) for key in keys})


def _remove_orphans(settings: Settings, older_than: timedelta) -> list[str]:
    store = Store.connect(settings)
    limit = datetime.now(UTC) - older_than
    old = [key for key, written in store.entries() if written <= limit]
    # In this order: what is published after the listing is in the catalogue by now, or its worker still busy.
    busy = alignment.busy(settings)
    named = {key for keys in object_keys(settings).values() for key in keys} | packs.objects(settings).keys()
    named |= export_keys(settings)
    orphans = [key for key in old if _is_orphan(key, named, busy)]
    store.remove(orphans)
    return orphans


def _is_orphan(key: str, named: Container[str], busy: Container[str]) -> bool:
    """Results of jobs are no orphans, they expire by themselves; nor is what waits to be ingested."""
    return not (key in named or key.startswith((jobs.PREFIX, PREFIX)) or basename(dirname(key)) in busy)


def _counted(found: dict[str, Any], kinds: Iterable[str]) -> dict[str, Any]:
    for kind in kinds:
        found[f"{kind}_count"] = len(found[kind])
        found[kind] = list(found[kind][:_MANY])
    return found
