"""Which items the tiles of a mosaic are made of, as titiler-pgstac's search chooses them; kept for some seconds."""

from threading import Condition
from typing import Any

from cachetools import TTLCache, cached
from geojson_pydantic import Polygon
from morecantile import Tile
from psycopg_pool import ConnectionPool
from rio_tiler.constants import WEB_MERCATOR_TMS
from titiler.pgstac.backend import PGSTACBackend

_KEPT = 10
"""Most seconds for which a choice is kept: as much later a new item is seen."""
_CHOICES = 4096
_LEVELS = 2
"""A choice is made for a square of 4 x 4 tiles: a map asks for most of them together."""
_SMALLEST = 7
"""Zoom from which on choices are made for more than one tile."""
_ONLY_NAMES = {"include": ["id"]}

type _Place = tuple[int, int, int]


class Choices:
    """The items of searches that pgSTAC has registered; any number of threads may ask at once."""

    def __init__(self, pool: ConnectionPool, seconds: float) -> None:
        self._pool = pool
        kept: TTLCache[Any, tuple[str, ...]] = TTLCache(_CHOICES, min(_KEPT, seconds))
        # With a condition, those who ask for the same wait for the first.
        self._found = cached(kept, condition=Condition())(self._search)

    def items(self, search: str, place: _Place, *, exactly: bool) -> tuple[str, ...]:
        """Ids of the items that cover a tile (zoom, column, row), in the order of the search.

        Not `exactly`: those that cover the tiles around it, too; in this one they show only where the others have
        nothing. Raises `psycopg.Error` and titiler-pgstac's `MosaicNotFoundError`.
        """
        zoom, column, row = place
        levels = 0 if exactly else max(0, min(_LEVELS, zoom - _SMALLEST))
        found: tuple[str, ...] = self._found(search, (zoom - levels, column >> levels, row >> levels))
        return found

    def _search(self, search: str, place: _Place) -> tuple[str, ...]:
        zoom, column, row = place
        square = Polygon.from_bounds(*WEB_MERCATOR_TMS.bounds(Tile(column, row, zoom)))
        backend = PGSTACBackend(input=search, pool=self._pool)
        # What is beneath titiler-pgstac's own cache, which keeps for minutes.
        found = PGSTACBackend.get_assets.__wrapped__(backend, square, _ONLY_NAMES)
        return tuple(item["id"] for item in found)
