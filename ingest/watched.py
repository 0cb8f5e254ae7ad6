"""What the watched areas want of a tile: which indices and masks are made, and what is kept.

A tile is an area's if the area lists it, or if its square touches the area's geometry. Of several areas each gets what
it wants: indices and masks are their union, and a product goes only if the rules of all let it go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shapely import intersects
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from ingest import footprint
from ingest.tiling import EXTENT, tile_origin
from stac import areas as table
from stac.areas import Area
from stac.areas_rules import Rule
from stac.indices import INDICES, Index, stored_indices
from stac.naming import Tile
from stac.scene import Grid
from stac.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is made of a tile's products: `indices` in the order of their table; whether a cloud model is asked for."""

    indices: tuple[Index, ...]
    modelled: bool = False


def approved(settings: Settings) -> list[Area]:
    """The areas that count: the operator's, also those that are not asked for any more."""
    return table.areas(settings, state="approved")


def areas_of(tile: str, areas: Iterable[Area]) -> list[Area]:
    """The areas to which a tile belongs."""
    return [area for area in areas if tile in area.tiles or (area.geometry and _touches(tile, shape(area.geometry)))]


def wanted(tile: str, areas: Iterable[Area]) -> Wanted:
    """What is made of a tile's products; where no area names indices, those that the archive stores."""
    mine = areas_of(tile, areas)
    names = {name for area in mine for name in area.indices}
    if not mine or any(not area.indices for area in mine):
        names |= {index.name for index in stored_indices()}
    return Wanted(
        indices=tuple(index for index in INDICES.values() if index.name in names),
        modelled=any("ocm" in area.masks for area in mine),
    )


def wanted_of(settings: Settings, tile: str) -> Wanted:
    """`wanted` by the areas as they are now."""
    return wanted(tile, approved(settings))


def rules(tile: str, areas: Iterable[Area], default: Sequence[Rule]) -> dict[str, Sequence[Rule]]:
    """The rules of each area of a tile, by its name; without an area the default ones, by the name of their setting."""
    own = {area.name: default if area.retention is None else area.retention for area in areas_of(tile, areas)}
    return own or {"INGEST_RETENTION": default}


def _touches(tile: str, place: BaseGeometry) -> bool:
    return bool(intersects(_square(tile), place))


@lru_cache(maxsize=4096)
def _square(tile: str) -> BaseGeometry:
    parsed = Tile.parse(tile)
    left, top = tile_origin(parsed)
    grid = Grid(epsg=parsed.epsg, width=1, height=1, left=left, top=top, pixel_width=EXTENT, pixel_height=EXTENT)
    return shape(footprint.from_grid(grid).geometry)
