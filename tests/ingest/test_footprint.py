import antimeridian
import numpy as np
import pytest
from pyproj import Transformer
from shapely import contains_xy, segmentize
from shapely.geometry import LineString, shape

from ingest.footprint import from_grid, from_pixels
from stac.scene import Grid


def grid(epsg: int, left: float, top: float, size: int = 549) -> Grid:
    side = 109800 / size
    return Grid(epsg=epsg, width=size, height=size, left=left, top=top, pixel_width=side, pixel_height=side)


CAMBODIA = grid(32648, 499980.0, 1400040.0)


def centres(where: Grid, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(valid)
    east = where.left + (columns + 0.5) * where.pixel_width
    north = where.top - (rows + 0.5) * where.pixel_height
    return Transformer.from_crs(where.epsg, 4326, always_xy=True).transform(east, north)


def swath(where: Grid) -> np.ndarray:
    rows, columns = np.indices(where.shape)
    return columns > 0.3 * rows + 60


def test_every_valid_pixel_lies_inside() -> None:
    valid = swath(CAMBODIA)
    found = from_pixels(valid, CAMBODIA)
    assert found is not None
    outline = shape(found.geometry)
    assert contains_xy(outline, *centres(CAMBODIA, valid)).all()
    outside = contains_xy(outline, *centres(CAMBODIA, ~valid)).mean()
    assert outside < 0.03  # two cells of 200 m along the edge
    assert outline.is_valid


def test_speckle_and_islands_are_inside() -> None:
    valid = np.zeros(CAMBODIA.shape, dtype=bool)
    valid[5, 5] = valid[300:310, 400:420] = valid[-1, -1] = True
    found = from_pixels(valid, CAMBODIA)
    assert found is not None
    assert contains_xy(shape(found.geometry), *centres(CAMBODIA, valid)).all()


def test_no_valid_pixel_has_no_footprint() -> None:
    assert from_pixels(np.zeros(CAMBODIA.shape, dtype=bool), CAMBODIA) is None


@pytest.mark.parametrize(
    ("epsg", "left", "top"),
    [(32601, 199980.0, 7200000.0), (32660, 699960.0, 7200000.0), (32701, 199980.0, 8100040.0)],
)
def test_across_the_antimeridian_the_footprint_is_split(epsg: int, left: float, top: float) -> None:
    where = grid(epsg, left, top)
    found = from_pixels(np.ones(where.shape, dtype=bool), where)
    assert found is not None
    west, _, east, _ = found.bbox
    longitudes, latitudes = centres(where, np.ones(where.shape, dtype=bool))
    crosses = longitudes.min() < -170 and longitudes.max() > 170
    assert crosses == (found.geometry["type"] == "MultiPolygon")
    if crosses:
        assert west > east
        assert list(found.bbox) == pytest.approx(antimeridian.bbox(found.geometry))
    assert contains_xy(shape(found.geometry).buffer(1e-5), longitudes, latitudes).all()


def test_a_whole_grid() -> None:
    found = from_grid(CAMBODIA)
    assert found.bbox == pytest.approx((105.0, 11.67, 106.0, 12.66), abs=0.02)


@pytest.mark.parametrize(
    ("epsg", "top", "vertices"),
    [(32648, 1400040.0, 20), (32633, 5000040.0, 40), (32719, 3900040.0, 55), (32635, 8900040.0, 90)],
)
def test_an_edge_is_followed_to_half_a_pixel_by_few_vertices(epsg: int, top: float, vertices: int) -> None:
    where = grid(epsg, 199980.0, top, 10980)
    outline = from_grid(where).geometry["coordinates"][0]
    # Along each edge in metres, where it is straight.
    left, bottom, right, top = where.bounds
    to_metres = Transformer.from_crs(4326, epsg, always_xy=True)
    lon, lat = segmentize(LineString(outline), 0.001).xy
    east, north = to_metres.transform(np.array(lon), np.array(lat))
    sides = np.abs(np.stack([east - left, east - right, north - bottom, north - top]))
    assert sides.min(axis=0).max() < 5  # half a pixel: its middle is inside
    assert len(outline) < vertices
