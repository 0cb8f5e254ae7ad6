"""The outline of the pixels that hold data: a superset of them, so that no search by place misses a valid pixel."""

from collections.abc import Mapping
from math import cos, radians
from typing import Any

import antimeridian
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.features import shapes
from rasterio.transform import Affine
from shapely import box, orient_polygons, segmentize, set_precision, transform, union_all
from shapely.affinity import scale
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from stac.scene import Footprint, Grid

_COARSE = 366
"""Cells per side at most on which the outline is drawn: 300 m for a tile of 109.8 km."""

_STEP = 5_000.0
"""Metres between points at which an edge is followed: straight in UTM, it is curved in longitude and latitude."""

_STRAIGHT = 3e-5
"""Degrees, 3 m, by which an edge may leave its curve: the outlines of the tropics need few vertices for that."""

_DEGREES = 1e-6
"""Precision of coordinates, about 0.1 m."""


def from_pixels(valid: NDArray[np.bool_], grid: Grid) -> Footprint | None:
    """Footprint of `valid` (rows, columns) on `grid`; None where no pixel is valid."""
    if not valid.any():
        return None
    cells, factor = _coarsen(valid)
    left, _, _, top = grid.bounds
    cell_width, cell_height = grid.pixel_width * factor, grid.pixel_height * factor
    affine = Affine(cell_width, 0.0, left, 0.0, -cell_height, top)
    parts = [shape(geometry) for geometry, _ in shapes(cells.astype(np.uint8), mask=cells, transform=affine)]
    outline = union_all(parts).simplify(cell_width).buffer(cell_width, join_style="mitre")
    return _geographic(outline.intersection(box(*grid.bounds)), grid.epsg)


def from_outline(outline: Mapping[str, Any]) -> Footprint:
    """Footprint from a GeoJSON geometry that a product declares."""
    geometry = shape(outline)
    return Footprint(geometry=mapping(geometry), bbox=_bbox(geometry))


def from_grid(grid: Grid) -> Footprint:
    """Footprint of a whole grid: the last resort."""
    return _geographic(box(*grid.bounds), grid.epsg)


def _coarsen(valid: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    factor = max(1, -(-max(valid.shape) // _COARSE))
    rows, columns = (-(-size // factor) * factor for size in valid.shape)
    padded = np.zeros((rows, columns), dtype=np.bool_)
    padded[: valid.shape[0], : valid.shape[1]] = valid
    return padded.reshape(rows // factor, factor, columns // factor, factor).any(axis=(1, 3)), factor


def _geographic(outline: BaseGeometry, epsg: int) -> Footprint:
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    dense = segmentize(outline, _STEP)
    degrees = transform(dense, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
    fixed = shape(antimeridian.fix_shape(mapping(orient_polygons(degrees))))
    rounded = orient_polygons(set_precision(_simplified(fixed), _DEGREES))
    return Footprint(geometry=mapping(rounded), bbox=_bbox(rounded))


def _simplified(degrees: BaseGeometry) -> BaseGeometry:
    """The outline without vertices that lie within `_STRAIGHT` of an edge without them."""
    _, south, _, north = degrees.bounds
    shrink = cos(radians((south + north) / 2))
    return scale(scale(degrees, shrink, 1.0, origin=(0, 0)).simplify(_STRAIGHT), 1 / shrink, 1.0, origin=(0, 0))


def _bbox(geometry: BaseGeometry) -> tuple[float, float, float, float]:
    west, south, east, north = antimeridian.bbox(mapping(geometry))
    return float(west), float(south), float(east), float(north)
