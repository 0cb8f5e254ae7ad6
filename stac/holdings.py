"""What the catalogue holds, for those who write to it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from stac.database import Connection, connect
from stac.rows import Item, by_collection
from stac.settings import Settings


def get_item(settings: Settings, collection: str, item_id: str) -> Item | None:
    """The item as the STAC API serves it, but for the links that the API adds."""
    with connect(settings) as connection:
        row = connection.execute("SELECT pgstac.get_item(%s, %s)", (item_id, collection)).fetchone()
    return row[0] if row else None


def existing(tx: Connection, names: Iterable[str]) -> list[str]:
    """Those of the items called `collection/id` that the catalogue holds, sorted."""
    found: list[str] = []
    parts = (name.partition("/") for name in names)
    for collection, ids in by_collection((collection, item_id) for collection, _, item_id in parts).items():
        query = "SELECT id FROM pgstac.items WHERE collection = %s AND id = ANY(%s) ORDER BY id"
        found += [f"{collection}/{row[0]}" for row in tx.execute(query, (collection, ids)).fetchall()]
    return found


def find_ids(
    settings: Settings,
    collection: str,
    *,
    tile: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[str]:
    """Ids in a collection, sorted; of one tile (`48PWU`), and sensed from `start` on and before `end`, if given."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT id FROM pgstac.items WHERE collection = %(collection)s "
            "AND (%(code)s::text IS NULL OR pgstac.to_text(content->'properties'->'grid:code') = %(code)s) "
            "AND (%(start)s::timestamptz IS NULL OR datetime >= %(start)s) "
            "AND (%(end)s::timestamptz IS NULL OR datetime < %(end)s) ORDER BY id",
            {"collection": collection, "code": f"MGRS-{tile}" if tile else None, "start": start, "end": end},
        ).fetchall()
    return [row[0] for row in rows]


def products_held(
    settings: Settings, collections: Sequence[str], tiles: Sequence[str], start: datetime, end: datetime
) -> list[tuple[str, str, str]]:
    """Collection, id and datastrip id (or "") of all items of `tiles` sensed from `start` to `end`, both included."""
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT collection, id, coalesce(content->'properties'->>'s2:datastrip_id', '') FROM pgstac.items "
            "WHERE collection = ANY(%s) AND datetime BETWEEN %s AND %s "
            "AND pgstac.to_text(content->'properties'->'grid:code') = ANY(%s) ORDER BY 1, 2",
            (list(collections), start, end, [f"MGRS-{tile}" for tile in tiles]),
        ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]
