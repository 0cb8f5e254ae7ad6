import pytest
import shapely
from shapely.geometry import mapping, shape

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.features import parse_features, point

LIMITS = {"max_features": 3, "max_vertices": 100}


def feature(geometry, **more):
    return {"type": "Feature", "geometry": geometry, "properties": {}, **more}


def polygon(*ring):
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


SQUARE = polygon([104, 12], [104.1, 12], [104.1, 12.1], [104, 12.1])


def test_ids_come_from_the_feature_then_its_properties_then_its_place():
    document = {
        "type": "FeatureCollection",
        "features": [
            feature(SQUARE, id=7),
            feature(SQUARE, properties={"id": "b", "crop": "rice"}),
            feature({"type": "Point", "coordinates": [104, 12, 30]}),
        ],
    }
    found = parse_features(document, **LIMITS)

    assert [one.id for one in found] == ["7", "b", "2"]
    assert found[1].attributes == {"id": "b", "crop": "rice"}
    assert found[2].is_points
    assert not found[2].geometry.has_z


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "no GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "no feature"),
        (feature(None), "feature 0: geometry None is not supported: use Point, MultiPoint, Polygon, MultiPolygon"),
        (feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}), "'LineString' is not supported"),
        (feature({"type": "Polygon", "coordinates": "x"}), "feature 0: coordinates are malformed"),
        (feature({"type": "Polygon"}), "feature 0: coordinates are malformed"),
        (feature({"type": "Polygon", "coordinates": []}), "feature 0: geometry is empty"),
        (feature({"type": "Point", "coordinates": [104.0, 120.0]}), "104, 120 is no longitude and latitude"),
        (feature({"type": "Point", "coordinates": [float("nan"), 0]}), "is no longitude and latitude|empty"),
        (
            feature(polygon([0, 0], [1, 1], [1, 0], [0, 1])),
            r"feature 0: polygon is invalid: Self-intersection\[0.5 0.5\]",
        ),
        (feature(polygon([0, 0], [1, 1], [2, 2])), "feature 0"),
        ({"type": "FeatureCollection", "features": [feature(SQUARE, id=1), feature(SQUARE, id="1")]}, "the id '1'"),
        ({"type": "FeatureCollection", "features": [feature(SQUARE), 5]}, "feature 1 is no GeoJSON Feature"),
    ],
)
def test_a_bad_geometry_is_refused_and_located(document, told):
    with pytest.raises(SeriesRequestError, match=told):
        parse_features(document, **LIMITS)


def test_too_much_is_refused_with_the_numbers():
    with pytest.raises(SeriesTooLargeError, match="4 features: at most 3"):
        parse_features({"type": "FeatureCollection", "features": [feature(SQUARE)] * 4}, **LIMITS)
    with pytest.raises(SeriesTooLargeError, match="129 vertices: at most 100"):
        parse_features(feature(mapping(shapely.Point(104, 12).buffer(1, quad_segs=32))), **LIMITS)


@pytest.mark.parametrize(
    "ring",
    [
        ([179.9, -17], [-179.9, -17], [-179.9, -16.9], [179.9, -16.9]),
        ([179.9, -17], [180.1, -17], [180.1, -16.9], [179.9, -16.9]),
        ([-180.1, -17], [-179.9, -17], [-179.9, -16.9], [-180.1, -16.9]),
    ],
)
def test_a_field_across_the_antimeridian_is_one_field_however_it_is_written(ring):
    (found,) = parse_features(feature(polygon(*ring)), **LIMITS)
    projected = found.projected(32701)

    assert found.geometry.bounds == (-180, -17, 180, -16.9)
    assert found.geometry.area == pytest.approx(0.02)
    assert projected.geom_type == "Polygon"
    assert projected.bounds[2] - projected.bounds[0] < 22_000


def test_a_point_beyond_180_degrees_is_brought_back():
    assert point(190, 10).geometry == shape({"type": "Point", "coordinates": [-170, 10]})
