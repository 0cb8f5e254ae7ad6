"""What the ledger is told of items that are taken out: not to be fetched or made again unasked, objects still to go."""

from collections.abc import Sequence

from stac.collections import COLLECTION_IDS
from stac.database import Connection

_NOTE = """
INSERT INTO sen2extract.ledger AS l (id, state, source, reason, removed, discard)
VALUES (%(id)s, 'removed', %(id)s, %(reason)s, %(items)s, %(folders)s)
ON CONFLICT (id) DO UPDATE SET
  items = ARRAY(SELECT unnest(l.items) EXCEPT SELECT unnest(excluded.removed) ORDER BY 1),
  removed = ARRAY(SELECT DISTINCT unnest(l.removed || excluded.removed) ORDER BY 1),
  discard = ARRAY(SELECT DISTINCT unnest(l.discard || excluded.discard) ORDER BY 1),
  state = CASE WHEN l.state IN ('converting', 'downloading') OR EXISTS (
    SELECT FROM pgstac.items WHERE collection = ANY(%(collections)s) AND id = l.id
  ) THEN l.state ELSE 'removed' END,
  reason = excluded.reason, updated = now()
"""


def note(tx: Connection, product_id: str, items: Sequence[str], folders: Sequence[str], reason: str) -> None:
    """Say, in the transaction that removes `items` (`collection/id`), that they are gone and their objects have to go.

    `folders` are those of the bucket in which the objects lie. A product of which other items are left is not
    `removed`, nor is one that somebody is at.
    """
    values = {"id": product_id, "reason": reason, "items": list(items), "folders": list(folders)}
    tx.execute(_NOTE, values | {"collections": list(COLLECTION_IDS)})
