"""What the ledger knows of items that retention took out, and of objects that are still to follow them."""

from collections.abc import Sequence

from ingest import ledger
from stac import removed
from stac.database import Connection, transaction
from stac.settings import Settings


def note(tx: Connection, product_id: str, items: Sequence[str], folders: Sequence[str], reason: str) -> None:
    """Say, in the transaction that removes `items` (`collection/id`), that they are gone and their objects have to go.

    A product of which other items are left stays `published`.
    """
    removed.note(tx, product_id, items, folders, reason)
    ledger.settle(tx, [product_id])


def unfinished(settings: Settings) -> dict[str, list[str]]:
    """Folders of the bucket that are to be emptied, by product."""
    with transaction(settings, None, "the ledger cannot be read") as tx:
        rows = tx.execute("SELECT id, discard FROM sen2extract.ledger WHERE discard <> '{}' ORDER BY id").fetchall()
    return {row[0]: row[1] for row in rows}


def finished(settings: Settings, product_id: str) -> None:
    """Say that the objects of a product are gone."""
    with transaction(settings, None, f"{product_id}: the ledger cannot be told that its objects are gone") as tx:
        tx.execute("UPDATE sen2extract.ledger SET discard = '{}' WHERE id = %s", (product_id,))
