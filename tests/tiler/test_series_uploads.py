"""Uploads of every kind, written by GDAL or the standard library; and what must be refused."""

import io
import json
import sqlite3
import struct
import zipfile
import zlib

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError, UnknownCrsError
from tiler.series.uploads import UploadLimits, read_upload

FIELDS = [box(105.1, 11.1, 105.12, 11.12), box(105.2, 11.2, 105.23, 11.21)]
BOWTIE = Polygon([(105, 11), (105.01, 11.01), (105.01, 11), (105, 11.01)])
LIMITS = UploadLimits()
_DRIVERS = {".shp": "ESRI Shapefile", "gpkg": "GPKG", ".kml": "LIBKML", "json": "GeoJSON"}


def projected(geometry, epsg=32648):
    move = Transformer.from_crs(4326, epsg, always_xy=True).transform
    return shapely.transform(geometry, lambda xy: np.column_stack(move(*xy.T)))


def written(folder, name, geometries, crs="EPSG:4326", *, kind=None, **columns):
    """What GDAL writes, by file name."""
    columns = columns or {"crop": ["rice", "maïs"][: len(geometries)], "n": list(range(len(geometries)))}
    data = [np.array(values, dtype=object if isinstance(values[0], str) else None) for values in columns.values()]
    pyogrio.raw.write(
        folder / name, np.array(shapely.to_wkb(geometries), dtype=object), data, list(columns),
        geometry_type=kind or geometries[0].geom_type, crs=crs, driver=_DRIVERS[name[-4:]], encoding="UTF-8",
    )  # fmt: skip
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def zipped(files, **options):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def upload(content, limits=LIMITS):
    return read_upload({"upload": content} if isinstance(content, bytes) else content, limits)


def close(found, wanted, metres=0.01):
    """Same outline to a centimetre, and same area."""
    return found.hausdorff_distance(wanted) < metres / 111_000 and found.area == pytest.approx(wanted.area, rel=1e-6)


@pytest.mark.parametrize("epsg", [4326, 32648, 3857, 4839])
def test_a_zipped_shapefile_of_any_system(tmp_path, epsg):
    wanted = [box(10.1, 50.1, 10.11, 50.11), box(10.2, 50.2, 10.22, 50.21)] if epsg == 4839 else FIELDS
    files = written(tmp_path, "fields.shp", [projected(one, epsg) for one in wanted], f"EPSG:{epsg}")
    features, report = upload(zipped(files))

    assert all(close(one.geometry, field, metres=0.2) for one, field in zip(features, wanted, strict=True))
    assert [dict(one.attributes) for one in features] == [{"crop": "rice", "n": 0}, {"crop": "maïs", "n": 1}]
    assert [one.id for one in features] == ["0", "1"]
    assert (report["format"], report["layer"], report["left_out"]) == ("shapefile", "fields", [])
    moved = [bool(one["done"]) for one in report["features"]]
    assert moved == [epsg != 4326] * 2
    if epsg == 32648:
        assert report["features"][0]["done"] == ["reprojected from EPSG:32648"]


def test_the_parts_of_a_shapefile_sent_side_by_side_or_in_a_folder(tmp_path):
    files = written(tmp_path, "fields.shp", FIELDS)
    beside, _ = upload(files)
    within, _ = upload(
        zipped({f"my fields/{name}": content for name, content in files.items()} | {"__MACOSX/._a": b"x"})
    )

    assert [one.geometry for one in beside] == [one.geometry for one in within]
    assert all(one.geometry.equals(field) for one, field in zip(beside, FIELDS, strict=True))


@pytest.mark.parametrize("name", ["a.gpkg", "a.kml", "a.geojson"])
def test_geopackage_kml_and_geojson_as_gdal_writes_them(tmp_path, name):
    (content,) = written(tmp_path, name, FIELDS).values()
    for sent in (content, zipped({name: content})):
        features, report = upload(sent)

        assert all(close(one.geometry, field) for one, field in zip(features, FIELDS, strict=True))
        assert [one.attributes["crop"] for one in features] == ["rice", "maïs"]
        assert [int(one.attributes["n"]) for one in features] == [0, 1]
        assert report["left_out"] == []


def test_a_geopackage_in_metres_with_a_log_beside_it(tmp_path):
    (content,) = written(tmp_path, "a.gpkg", [projected(one) for one in FIELDS], "EPSG:32648").values()
    # As SQLite leaves the header of a database whose log was kept apart.
    features, report = upload(content[:18] + b"\x02\x02" + content[20:])

    assert all(close(one.geometry, field, metres=0.2) for one, field in zip(features, FIELDS, strict=True))
    assert report["crs"] == "EPSG:32648"


def test_points_of_csv_in_the_ways_of_spreadsheets():
    plain = b"Village,Longitude,Latitude,people,code\nA,105.5,11.25,120,007\nB,105.75,11.5,,1.5\n"
    french = "\ufeffnom;Y;X\r\nKâmpôt;11,25;105,5\r\n\r\nB;11,5;105,75\r\n".encode()
    windows = "nom\tlat\tlng\nKâmpôt\t11.25\t105.5\n".encode("cp1252")
    features, report = upload(plain)

    assert [one.geometry for one in features] == [Point(105.5, 11.25), Point(105.75, 11.5)]
    assert dict(features[0].attributes) == {"Village": "A", "people": 120, "code": "007"}
    assert dict(features[1].attributes) == {"Village": "B", "people": None, "code": 1.5}
    assert "taken for WGS 84" in report["note"]
    assert [one.geometry for one in upload(french)[0]] == [Point(105.5, 11.25), Point(105.75, 11.5)]
    assert upload(windows)[0][0].attributes["nom"] == "Kâmpôt"


def test_gpx_has_waypoints_and_tracks_walked_around_a_field():
    gpx = b"""<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">
      <wpt lat="11.25" lon="105.5"><name>well</name><ele>12</ele></wpt>
      <trk><name>field</name><trkseg><trkpt lat="11" lon="105"/><trkpt lat="11" lon="105.01"/>
        <trkpt lat="11.01" lon="105.01"/><trkpt lat="11.01" lon="105"/></trkseg></trk>
      <trk><name>way</name><trkseg><trkpt lat="11" lon="105"/></trkseg></trk></gpx>"""
    features, report = upload(gpx)

    assert [one.geometry.geom_type for one in features] == ["Point", "Polygon"]
    assert features[1].geometry.equals(box(105, 11, 105.01, 11.01))
    assert dict(features[0].attributes) == {"name": "well", "ele": "12"}
    assert report["features"][1]["done"] == ["track closed: taken for an outline"]
    assert report["left_out"][0]["position"] == 2


def test_kml_has_folders_holes_parts_and_extended_data():
    kml = b"""<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><Placemark id="p1"><name>parcel</name>
      <ExtendedData><Data name="crop"><value>rice</value></Data></ExtendedData><MultiGeometry>
      <Polygon><outerBoundaryIs><LinearRing><coordinates>105,11,0 105.01,11,0 105.01,11.01,0 105,11.01,0 105,11,0
      </coordinates></LinearRing></outerBoundaryIs><innerBoundaryIs><LinearRing><coordinates>105.002,11.002
      105.004,11.002 105.004,11.004 105.002,11.002</coordinates></LinearRing></innerBoundaryIs></Polygon>
      <Polygon><outerBoundaryIs><LinearRing><coordinates>106,11 106.01,11 106.01,11.01 106,11</coordinates></LinearRing>
      </outerBoundaryIs></Polygon></MultiGeometry></Placemark></Folder>
      <Placemark id="p2"><LineString><coordinates>1,2 3,4</coordinates></LineString></Placemark></Document></kml>"""
    ((parcel,), report) = upload(zipped({"doc.kml": kml}))

    assert isinstance(parcel.geometry, MultiPolygon)
    assert [len(part.interiors) for part in parcel.geometry.geoms] == [1, 0]
    assert dict(parcel.attributes) == {"name": "parcel", "crop": "rice"}
    assert "LineString is neither point nor area" in report["left_out"][0]["reason"]


def test_a_geojson_file_may_name_its_system():
    def document(name):
        geometry = shapely.geometry.mapping(projected(FIELDS[0]))
        feature = {"type": "Feature", "id": "f", "geometry": geometry, "properties": {"crop": "rice"}}
        crs = {"type": "name", "properties": {"name": name}}
        return json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}).encode()

    ((feature,), _) = upload(document("urn:ogc:def:crs:EPSG::32648"))

    assert close(feature.geometry, FIELDS[0], metres=0.2)
    assert feature.id == "f"
    with pytest.raises(SeriesRequestError, match=r"coordinate system is not understood.*save the file in WGS 84"):
        upload(document("the moon"))


def test_a_crossed_outline_is_repaired_and_told(tmp_path):
    files = written(tmp_path, "a.shp", [FIELDS[0], BOWTIE])
    (_, bowtie), report = upload(zipped(files))

    assert bowtie.geometry.is_valid
    assert bowtie.geometry.area == pytest.approx(shapely.make_valid(BOWTIE).area)
    assert report["features"][0]["done"] == []
    assert "outline repaired: Self-intersection" in report["features"][1]["done"][0]


def test_across_the_antimeridian_in_metres(tmp_path):
    field = Polygon([(179.95, -17), (180.05, -17), (180.05, -16.9), (179.95, -16.9)])
    files = written(tmp_path, "a.shp", [projected(field, 32760)], "EPSG:32760")
    ((feature,), _) = upload(zipped(files))

    assert isinstance(feature.geometry, MultiPolygon)
    assert feature.geometry.bounds[0] == -180
    assert feature.geometry.area == pytest.approx(field.area, rel=1e-4)


def test_what_cannot_be_used_is_left_out_and_told_the_rest_is_kept(tmp_path):
    (content,) = written(tmp_path, "a.gpkg", [FIELDS[0], LineString([(1, 2), (3, 4)])], kind="Unknown").values()
    features, report = upload(content)

    assert len(features) == 1
    assert report["left_out"] == [
        {"position": 1, "reason": "feature 1: a LineString is neither point nor area: draw a polygon"}
    ]


@pytest.mark.parametrize(("given", "ids"), [(["x", "y"], ["x", "y"]), (["x", "x"], ["0", "1"])])
def test_ids_of_the_file_are_kept_where_they_tell_features_apart(tmp_path, given, ids):
    files = written(tmp_path, "a.shp", FIELDS, ID=given)

    assert [one.id for one in upload(zipped(files))[0]] == ids


def test_old_shapefiles_have_old_letters(tmp_path):
    files = written(tmp_path, "a.shp", FIELDS)
    latin = files["a.dbf"].replace("maïs".encode(), "maïs ".encode("latin-1"))
    features, _ = upload(zipped({"a.shp": files["a.shp"], "a.shx": files["a.shx"], "a.dbf": latin}))

    assert features[1].attributes["crop"] == "maïs"


def test_without_its_system_a_file_is_taken_for_degrees_only_if_they_are(tmp_path):
    degrees = written(tmp_path, "a.shp", FIELDS)
    _, report = upload(zipped({name: content for name, content in degrees.items() if not name.endswith(".prj")}))
    metres = written(tmp_path, "a.shp", [projected(FIELDS[0])])
    del metres["a.prj"]

    assert "taken for WGS 84" in report["note"]
    with pytest.raises(UnknownCrsError, match=r"does not say its coordinate system.*are no degrees"):
        upload(zipped(metres))
    features, report = read_upload({"a.zip": zipped(metres), "crs.prj": b"EPSG:32648\r\n"}, LIMITS)
    assert report["crs"] == "EPSG:32648"
    assert features[0].geometry.centroid.distance(FIELDS[0].centroid) < 1e-6


def test_a_table_in_metres_is_read_as_the_file_beside_it_says():
    table = {"sites.csv": b"X,Y,name\n543560.7,1315541.2,a\n"}
    with pytest.raises(UnknownCrsError, match=r"543560\.7, 1315541\.2 are no degrees"):
        read_upload(table, LIMITS)
    (one,), report = read_upload({**table, "sites.prj": b"EPSG:32648"}, LIMITS)
    expected = Transformer.from_crs("EPSG:32648", "OGC:CRS84", always_xy=True).transform(543560.7, 1315541.2)
    assert one.geometry.coords[0] == pytest.approx(expected, abs=1e-9)
    assert report["crs"] == "EPSG:32648"
    with pytest.raises(SeriesRequestError, match="coordinate system is not understood"):
        read_upload({**table, "sites.prj": b"EPSG:99999999"}, LIMITS)


def test_ten_thousand_polygons_are_refused_with_the_numbers(tmp_path):
    many = [box(105 + i / 1e5, 11, 105 + (i + 1) / 1e5, 11.001) for i in range(10_000)]
    files = written(tmp_path, "a.shp", many, n=list(range(10_000)))
    (tmp_path / "g").mkdir()
    (package,) = written(tmp_path / "g", "a.gpkg", many, n=list(range(10_000))).values()
    table = b"lon,lat\n" + b"1,2\n" * 10_000

    for content in (zipped(files), package, table):
        with pytest.raises(SeriesTooLargeError, match="10000 features: at most 500 in one request"):
            upload(content)


def test_an_outline_of_too_many_corners_is_refused_with_the_numbers(tmp_path):
    angles = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    circle = Polygon(np.column_stack([105 + np.cos(angles), 11 + np.sin(angles)]))

    for name in ("a.gpkg", "a.shp"):
        with pytest.raises(SeriesTooLargeError, match="200001 vertices or more: at most 100000"):
            upload(
                zipped(written(tmp_path, name, [circle]))
                if name == "a.shp"
                else written(tmp_path, name, [circle])[name]
            )
        for file in tmp_path.iterdir():
            file.unlink()


def test_a_zip_that_swells_is_refused_whatever_it_says_of_itself():
    bomb = zipped({"a.csv": b"lon,lat\n" + b"0" * 60_000_000})
    # The size in the central directory and in the local header says 5 bytes.
    liar = bomb.replace(struct.pack("<L", 60_000_008), struct.pack("<L", 5))

    assert len(bomb) < 100_000
    with pytest.raises(SeriesTooLargeError, match="unpacks to 60000008 bytes: at most 50000000"):
        upload(bomb)
    with pytest.raises(SeriesRequestError):
        upload(liar)


def test_hostile_zips_are_refused():
    link = zipfile.ZipInfo("a.shp")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    secret = zipped({"a.csv": b"lon,lat\n1,2\n"})
    place = secret.index(b"PK\x01\x02")
    secret = secret[:6] + b"\x01" + secret[7 : place + 8] + b"\x01" + secret[place + 9 :]

    for content, told in (
        (zipped({"../../etc/cron.d/a.csv": b"lon,lat\n1,2\n"}), "leads out of it"),
        (zipped({"/etc/a.csv": b"lon,lat\n1,2\n"}), "leads out of it"),
        (zipped({"a\\..\\b.csv": b"lon,lat\n1,2\n"}), "leads out of it"),
        (zipped({"C:a.csv": b"lon,lat\n1,2\n"}), "leads out of it"),
        (linked.getvalue(), "is a link"),
        (secret, "encrypted"),
        (zipped({"b.zip": zipped({"a.csv": b"lon,lat\n1,2\n"})}), "another zip"),
        (zipped({"x/a.csv": b"lon,lat\n1,2\n", "y/a.csv": b"lon,lat\n1,2\n"}), "two files called 'a.csv'"),
        (zipped({"a.csv": b"lon,lat\n1,2\n", "b.csv": b"lon,lat\n1,2\n"}), r"several layers \('a.csv', 'b.csv'\)"),
        (zipped({"a.exe": b"MZ"}), "nothing that can be read.*GeoPackage, KML, KMZ, GPX or CSV"),
        (zipped({}), "nothing"),
        (zipped({"a.csv": b"lon,lat\n1,2\n"})[:-30], "the zip is broken"),
        (b"PK\x03\x04", "the zip is broken"),
    ):
        with pytest.raises(SeriesRequestError, match=told):
            upload(content)
    with pytest.raises(SeriesTooLargeError, match="101 files: at most 100"):
        upload(zipped({f"{n}.csv": b"" for n in range(101)}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.4", "nothing that can be read"),
        (b"\x00" * 100, "nothing that can be read"),
        (b"name,place\na,b\n", "nothing that can be read"),
        (b"lon,place\n1,2\n", "is called lat, latitude"),
        (b"lon,lat\n", "no feature can be used: it is empty"),
        (b"lon,lat\nx,y\n", "'x', 'y' is no longitude and latitude"),
        (b"lon,lat,n\n,,1\n", "it has no longitude and latitude"),
        (b"lat,lon\n105.4,11.9\n", "longitude and latitude have changed places"),
        (b"lon,lat\n1e400,nan\n", "no numbers on this planet"),
        (b"lon,lat\n500000,1200000\n", "are no degrees"),
        (b"<html><body/></html>", "neither KML nor GPX"),
        (b"<kml><Placemark>", "no readable KML"),
        (b"<kml><Placemark><Point><coordinates>a,b</coordinates></Point></Placemark></kml>", "no readable KML"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><kml>&a;</kml>', "no readable KML"),
        (b'<!DOCTYPE k [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><kml>&b;</kml>', "no readable KML"),
        (b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "neither KML nor GPX"),
        (b"SQLite format 3\x00" + b"\x00" * 100, "no readable GeoPackage"),
        (b"\x00\x00\x27\x0a" + b"\xff" * 500, "damaged"),
        (b'{"type": "FeatureCollection", "crs": 5, "features": [{}]}', "coordinate system is not understood"),
    ],
)  # fmt: skip
def test_what_is_broken_or_hostile_is_refused(content, told):
    with pytest.raises(SeriesRequestError, match=told):
        upload(content)


NO_TRIGGERS = [
    f"DROP TRIGGER IF EXISTS rtree_a_geom_{n}"
    for n in ("insert", "update1", "update2", "update3", "update4", "update5", "update6", "update7", "delete")
]
ENDLESS = "CREATE VIEW a AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r"
TWIN = "INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('b', 'features', 4326)"


def package(tmp_path, *statements):
    (content,) = written(tmp_path, "a.gpkg", FIELDS).values()
    file = tmp_path / "b.gpkg"
    file.write_bytes(content)
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return file.read_bytes()


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        # A view may compute for ever.
        (["ALTER TABLE a RENAME TO c", ENDLESS], "is no table"),
        (["UPDATE gpkg_contents SET table_name = 'sqlite_master'"], "is no table"),
        ([TWIN], "holds 2 layers"),
        (["DELETE FROM gpkg_contents"], "holds 0 layers"),
        ([*NO_TRIGGERS, "UPDATE a SET geom = x'475000010000000001'"], "no readable GeoPackage"),
        ([*NO_TRIGGERS, "UPDATE a SET geom = zeroblob(50)"], "no readable GeoPackage"),
        (["UPDATE gpkg_geometry_columns SET srs_id = 99999"], "99999 is not defined|no readable"),
        (["DROP TABLE gpkg_geometry_columns"], "no readable GeoPackage"),
    ],
)  # fmt: skip
def test_hostile_geopackages_are_refused(tmp_path, statements, told):
    with pytest.raises(SeriesRequestError, match=told):
        upload(package(tmp_path, "PRAGMA foreign_keys = OFF", *(f"{statement}" for statement in statements)))


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.kml"])
def test_a_file_that_is_damaged_anywhere_is_refused_or_read_but_never_worse(tmp_path, name):
    files = written(tmp_path, name, FIELDS)
    rng = np.random.default_rng(3)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(files[name])
        for place in rng.integers(4, len(damaged), 8):
            damaged[place] = rng.integers(0, 256)
        try:
            upload({**files, name: bytes(damaged[: rng.integers(len(damaged) // 2, len(damaged) + 1)])})
            outcomes.add("read")
        except (SeriesRequestError, SeriesTooLargeError):
            outcomes.add("refused")

    assert "refused" in outcomes


def test_a_shapefile_whose_outline_would_be_cut_without_end_is_left_out(tmp_path):
    zigzag = Polygon([(-9e7 if i % 2 else 9e7, i * 1e3) for i in range(2_000)])
    files = written(tmp_path, "a.shp", [zigzag], "EPSG:3857")

    with pytest.raises(SeriesRequestError, match=r"long: draw a smaller one|no area|outside"):
        upload(zipped(files))


def test_the_sizes_in_a_dbf_do_not_make_us_wait(tmp_path):
    files = written(tmp_path, "a.shp", FIELDS)
    files["a.dbf"] = files["a.dbf"][:4] + struct.pack("<L", 2**31) + files["a.dbf"][8:]

    try:
        features, _ = upload(zipped(files))
    except (SeriesRequestError, SeriesTooLargeError):
        return
    assert len(features) == 2


def test_the_checksum_of_a_zip_is_checked():
    content = zipped({"a.csv": b"lon,lat\n1,2\n"})
    crc = struct.pack("<L", zlib.crc32(b"lon,lat\n1,2\n"))

    with pytest.raises(SeriesRequestError, match="the zip is broken"):
        upload(content.replace(crc, b"\x00\x00\x00\x01"))
