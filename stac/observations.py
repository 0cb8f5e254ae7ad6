"""What series have to know of items, in `sen2extract.observations`: kept true by triggers, checked and repaired here.

The table is derived from pgSTAC's items by the functions of its migration, which is where its columns are defined.
`tiler.series.acquisitions` reads it.
"""

from stac.database import connect
from stac.settings import Settings

_DIFFERING = """
SELECT collection, item_id FROM sen2extract.observations_of_items() AS wanted
FULL JOIN sen2extract.observations AS held USING (collection, item_id)
WHERE wanted IS DISTINCT FROM held ORDER BY 1, 2
"""


def differing(settings: Settings) -> list[tuple[str, str]]:
    """Items (collection, id) of which the table does not hold what it should, sorted; those that are gone included."""
    with connect(settings) as connection:
        return [(row[0], row[1]) for row in connection.execute(_DIFFERING).fetchall()]


def repair(settings: Settings) -> int:
    """Make the table say what the items say; returns how many rows were wrong. Writers wait if there are any."""
    ids = sorted({item_id for _, item_id in differing(settings)})
    if not ids:
        return 0
    with connect(settings) as connection:
        connection.execute("LOCK TABLE pgstac.items IN SHARE MODE")
        wrong = connection.execute(_DIFFERING).rowcount
        connection.execute("DELETE FROM sen2extract.observations WHERE item_id = ANY(%s)", (ids,))
        connection.execute(
            "INSERT INTO sen2extract.observations SELECT * FROM sen2extract.observations_of_items(%s)", (ids,)
        )
    return wrong
