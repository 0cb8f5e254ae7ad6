"""The ledger made to say what the catalogue says, and who is at a product just now."""

from ingest.ledger import LOCKS
from stac.collections import COLLECTION_IDS
from stac.database import transaction
from stac.settings import Settings

# A worker is at product `l`: it holds the product's lock (a 64-bit one is shown in two halves).
_AT_WORK = f"""EXISTS (
  SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint << 32 | objid::bigint = hashtextextended(l.id, {LOCKS})
)"""  # noqa: S608 - constants only
_BUSY = f"SELECT id FROM sen2extract.ledger AS l WHERE owner IS NOT NULL AND {_AT_WORK}"  # noqa: S608 - constants only
_ABANDON = f"""
UPDATE sen2extract.ledger AS l SET state = 'failed', owner = NULL, lease_until = NULL, updated = now(),
  reason = 'its worker ended before it was done'
WHERE state IN ('converting', 'downloading') AND NOT {_AT_WORK}
"""  # noqa: S608 - constants only
# By the table of observations: the items themselves are read only for what is new.
_ENTER = """
WITH held AS (
  SELECT item_id AS id, CASE WHEN bool_and(deprecated) THEN 'superseded' ELSE 'published' END AS state,
    array_agg(collection || '/' || item_id ORDER BY collection) AS items
  FROM sen2extract.observations WHERE collection = ANY(%(collections)s) GROUP BY item_id
), other AS (
  SELECT h.*, l.id IS NULL AS new FROM held AS h LEFT JOIN sen2extract.ledger AS l ON l.id = h.id
  WHERE l.id IS NULL OR l.state NOT IN ('converting', 'downloading') AND (l.state, l.items) <> (h.state, h.items)
), told AS (
  SELECT i.id, min(i.content->'properties'->>'sen2extract:fingerprint') AS fingerprint FROM pgstac.items AS i
  WHERE i.collection = ANY(%(collections)s) AND i.id IN (SELECT id FROM other WHERE new) GROUP BY i.id
)
INSERT INTO sen2extract.ledger AS l (id, state, source, fingerprint, items)
SELECT o.id, o.state, o.id, t.fingerprint, o.items FROM other AS o LEFT JOIN told AS t ON t.id = o.id ORDER BY o.id
ON CONFLICT (id) DO UPDATE SET state = excluded.state, items = excluded.items, updated = now()
WHERE l.state NOT IN ('converting', 'downloading') AND (l.state, l.items) <> (excluded.state, excluded.items)
"""
_STRIKE = """
UPDATE sen2extract.ledger AS l SET state = 'removed', items = '{}', updated = now(),
  reason = 'no longer in the catalogue'
WHERE state IN ('published', 'superseded')
AND NOT EXISTS (SELECT FROM sen2extract.observations WHERE collection = ANY(%(collections)s) AND item_id = l.id)
"""


def align(settings: Settings) -> int:
    """Make the ledger say of every product what the catalogue says; returns how many entries that changed.

    What the catalogue holds and the ledger does not know is entered; what it holds no more is `removed`. Products that
    somebody is at are left to him; those whose worker died have `failed`.
    """
    with transaction(settings, None, "the ledger cannot be aligned with the catalogue") as tx:
        changed = tx.execute(_ABANDON).rowcount
        changed += tx.execute(_ENTER, {"collections": list(COLLECTION_IDS)}).rowcount
        return changed + tx.execute(_STRIKE, {"collections": list(COLLECTION_IDS)}).rowcount


def busy(settings: Settings) -> frozenset[str]:
    """Ids of the products that somebody is at."""
    with transaction(settings, None, "the ledger cannot be read") as tx:
        rows = tx.execute(_BUSY).fetchall()
    return frozenset(row[0] for row in rows)
