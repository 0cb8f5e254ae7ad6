"""The inbox kept in order: our downloads once they are published, and what broken-off work left there.

What somebody else put there is never touched: of a download the ledger says where we put it.
"""

import logging
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ingest import l1c_to_l2a, ledger, sen2cor
from ingest.sources.download import WORKROOM
from stac.database import transaction
from stac.settings import Settings

log = logging.getLogger(__name__)

_DAY = 86_400
_PUBLISHED = """
SELECT id, fetched FROM sen2extract.ledger
WHERE fetched = source AND offer IS NOT NULL AND owner IS NULL AND state IN ('published', 'superseded', 'removed')
AND (%(id)s::text IS NULL OR id = %(id)s) ORDER BY id
"""
_GONE = """
UPDATE sen2extract.ledger SET fetched = NULL, inventory = NULL, source = (offer->>'source') || ':' || id WHERE id = %s
"""


def tidy(settings: Settings) -> dict[str, list[str]]:
    """Remove what is no longer needed; returns the names of `products`, and of what was `left` by killed work."""
    products = [] if settings.ingest_keep_downloads else list(_remove_published(settings))
    return {"products": products, "left": list(_sweep(settings))}


def _remove_published(settings: Settings) -> Iterator[str]:
    """Downloads that the catalogue holds, or held; L1C products stay for Sen2Cor as long as they have no L2A."""
    needed = _needed(settings)
    for product, path in _published(settings):
        place = Path(path)
        if product in needed or not place.is_relative_to(settings.ingest_inbox.absolute()):
            continue
        with ledger.product_lock(settings, product) as free:
            # Another worker may have taken it up just now.
            if free and _published(settings, product):
                _remove(place)
                with transaction(settings, None, f"{product}: the ledger cannot be told that its files are gone") as tx:
                    tx.execute(_GONE, (product,))
                log.info("%s: published, its download removed", product)
                yield product


def _published(settings: Settings, product: str | None = None) -> list[tuple[str, str]]:
    with transaction(settings, None, "the ledger cannot be read") as tx:
        return [(row[0], row[1]) for row in tx.execute(_PUBLISHED, {"id": product}).fetchall()]


def _needed(settings: Settings) -> Collection[str]:
    try:
        sen2cor.installed(settings)
    except sen2cor.NotInstalledError:
        return ()
    return {one.name for one in l1c_to_l2a.waiting(settings, again=True)}


def _sweep(settings: Settings) -> Iterator[str]:
    """What killed downloads and runs of Sen2Cor left, if nobody has touched it for days and nobody is at it."""
    oldest = time.time() - settings.ingest_stale_days * _DAY
    for room, prefix in ((WORKROOM, ""), (l1c_to_l2a.WORKROOM, l1c_to_l2a.PREFIX)):
        for place in sorted((settings.ingest_inbox / room).glob("S2*")):
            with ledger.product_lock(settings, f"{prefix}{ledger.name_of(place.name)}") as free:
                if free and _touched(place) < oldest:
                    _remove(place)
                    log.info("%s: left by work that was broken off, removed", place)
                    yield place.name


def _touched(place: Path) -> float:
    """When anything of a folder was last written."""
    newest = 0.0
    for path in (place, *place.rglob("*")):
        with suppress(FileNotFoundError):
            newest = max(newest, path.lstat().st_mtime)
    return newest


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
