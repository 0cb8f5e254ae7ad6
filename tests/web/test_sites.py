"""Several sites: files of every kind, their list, their curves over one another, their CSV, their address."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

pyogrio = pytest.importorskip("pyogrio", reason="pyogrio is not installed: uv sync --group test")
shapely = pytest.importorskip("shapely")

FORMATS = {"zip": "shapefile", "gpkg": "GeoPackage", "kml": "KML", "gpx": "GPX", "geojson": "GeoJSON", "csv": "CSV"}
NAMES = ("Ban Lung", "Andoung Meas", "Veun Sai")


@pytest.fixture
def squares(stack: Any) -> list[Any]:
    """Three fields of some 300 m, side by side."""
    lon, lat = stack.point
    return [shapely.box(lon + at * 0.004, lat, lon + at * 0.004 + 0.003, lat + 0.003) for at in range(3)]


def geojson(shapes: Sequence[Any], names: Sequence[str] = NAMES) -> str:
    features = [
        {"type": "Feature", "properties": {"code": at, "village": name}, "geometry": shapely.geometry.mapping(shape)}
        for at, (shape, name) in enumerate(zip(shapes, names, strict=True))
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def write(folder: Path, kind: str, squares: Sequence[Any]) -> Path:
    """The squares as a file of some kind, with their names in the attribute `village`."""
    path = folder / f"fields.{kind}"
    lines = [f"{x.centroid.x},{x.centroid.y},{name}" for x, name in zip(squares, NAMES, strict=True)]
    if kind == "geojson":
        path.write_text(geojson(squares))
    elif kind == "csv":
        path.write_text("\n".join(["lon,lat,village", *lines]))
    elif kind == "gpx":
        points = [line.split(",") for line in lines]
        inside = "".join(f'<wpt lon="{x}" lat="{y}"><name>{name}</name></wpt>' for x, y, name in points)
        path.write_text(f'<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1">{inside}</gpx>')
    else:
        path = as_gis(folder, kind, squares)
    return path


def as_gis(folder: Path, kind: str, squares: Sequence[Any]) -> Path:
    """What GIS programs write, in UTM where the format knows coordinate systems."""
    driver = {"zip": "ESRI Shapefile", "gpkg": "GPKG", "kml": "KML"}[kind]
    path = folder / f"fields.{'shp' if kind == 'zip' else kind}"
    name = "Name" if kind == "kml" else "village"
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(squares),
        field_data=[np.array(NAMES, dtype=object)],
        fields=[name],
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver=driver,
    )
    if kind != "zip":
        return path
    packed = folder / "fields.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for part in folder.glob("fields.*"):
            if part.suffix in (".shp", ".shx", ".dbf", ".prj"):
                archive.write(part, part.name)
    return packed


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").set_input_files(list(paths))


def listed(page: Page) -> list[str]:
    """Names in the list, in its order."""
    return page.locator(".sites tbody tr button").all_inner_texts()


def curve(page: Page) -> Locator:
    return page.get_by_role("slider", name="curve")


def test_a_file_of_any_kind_becomes_a_list_of_sites(
    visit: Callable[..., Any], squares: list[Any], tmp_path: Path
) -> None:
    seen = visit()
    seen.open()
    for kind, format_name in FORMATS.items():
        upload(seen.page, write(tmp_path, kind, squares))
        expect(seen.page.locator(".sites")).to_contain_text(f"({format_name},")
        expect(seen.page.get_by_role("heading", name="3 sites")).to_be_visible()
        assert listed(seen.page) == list(NAMES), kind
        expect(seen.page.get_by_role("heading", name=NAMES[0])).to_be_visible()
        expect(seen.page.locator(".sparkline")).to_have_count(3)
    expect(curve(seen.page)).to_be_visible()
    assert seen.complaints == []
    assert seen.foreign == []


def test_sites_are_sorted_overlaid_downloaded_and_kept(
    visit: Callable[..., Any], squares: list[Any], tmp_path: Path
) -> None:
    seen = visit()
    seen.open()
    with seen.page.expect_response(re.compile(r"statistics\.ndjson")) as first:
        upload(seen.page, write(tmp_path, "geojson", squares))
    assert len(json.loads(first.value.request.post_data)["features"]) == 1
    expect(seen.page.locator(".sites .progress")).to_have_count(0)
    expect(seen.page.locator(".sparkline")).to_have_count(3)
    seen.page.get_by_role("button", name="Site", exact=True).click()
    assert listed(seen.page) == sorted(NAMES)
    seen.page.get_by_role("button", name="Last").click()
    values = [
        float(text.replace("\N{MINUS SIGN}", "-")) for text in seen.page.locator(".sites td.number").all_inner_texts()
    ]
    assert values == sorted(values, reverse=True)
    for name in NAMES[1:]:
        seen.page.get_by_role("checkbox", name=name).check()
    expect(seen.page.locator(".overlaid li")).to_have_text(list(NAMES[1:]))
    seen.shot("sites")
    assert seen.findings() == []
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {row["village"] for row in rows} == set(NAMES)
    seen.page.get_by_role("button", name=NAMES[2]).click()
    expect(seen.page.get_by_role("heading", name=NAMES[2])).to_be_visible()
    expect(seen.page).to_have_url(re.compile(r"site=3&sites="))
    again = visit()
    again.page.goto(seen.address)
    expect(again.page.get_by_role("heading", name=NAMES[2])).to_be_visible()
    assert listed(again.page) == list(NAMES)
    seen.page.go_back()
    expect(seen.page.get_by_role("heading", name=NAMES[0])).to_be_visible()
    seen.page.get_by_role("button", name="Remove").click()
    expect(seen.page.locator(".sites")).to_have_count(0)


def test_khmer_names_are_legible_in_any_language(visit: Callable[..., Any], squares: list[Any], tmp_path: Path) -> None:
    """Many a computer has no font for them, and shows boxes."""
    path = tmp_path / "districts.geojson"
    path.write_text(geojson(squares, ("ភ្នំពេញ", "កណ្ដាល", "តាកែវ")))
    seen = visit()
    seen.open()
    assert not any("noto-sans-khmer" in url for url in seen.requests)
    with seen.page.expect_response(re.compile("noto-sans-khmer")) as font:
        upload(seen.page, path)
    assert font.value.ok
    expect(seen.page.get_by_role("heading", name="ភ្នំពេញ")).to_be_visible()


def test_many_sites_survive_a_reload_without_the_address(visit: Callable[..., Any], stack: Any, tmp_path: Path) -> None:
    lon, lat = stack.point
    many = [shapely.box(lon, lat, lon + 0.001, lat + 0.001).buffer(0.0001 * (1 + at % 5), 24) for at in range(40)]
    path = tmp_path / "many.geojson"
    path.write_text(geojson(many, [f"Village {at}" for at in range(40)]))
    seen = visit(viewport={"width": 390, "height": 844})
    seen.open()
    upload(seen.page, path)
    expect(seen.page.get_by_role("heading", name="40 sites")).to_be_visible()
    expect(seen.page).to_have_url(re.compile("site=1"))
    assert "sites=" not in seen.address
    seen.page.reload()
    expect(seen.page.get_by_role("heading", name="40 sites")).to_be_visible()
    expect(seen.page.get_by_role("heading", name="Village 0")).to_be_visible()


def test_what_is_wrong_with_a_file_is_told(
    visit: Callable[..., Any], stack: Any, squares: list[Any], tmp_path: Path
) -> None:
    lon, lat = stack.point
    bow = shapely.Polygon([(lon, lat), (lon + 0.004, lat + 0.004), (lon + 0.004, lat), (lon, lat + 0.004)])
    odd, picture = tmp_path / "odd.geojson", tmp_path / "picture.png"
    odd.write_text(geojson([squares[0], bow, shapely.LineString([(lon, lat), (lon + 1, lat)])]))
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    seen = visit()
    seen.open()
    upload(seen.page, picture)
    expect(seen.page.get_by_role("alert").filter(has_text="This file cannot be used")).to_contain_text("GeoPackage")
    seen.shot("sites-wrong-file")
    upload(seen.page, odd)
    expect(seen.page.get_by_role("heading", name="2 sites")).to_be_visible()
    told = seen.page.locator(".sites details")
    expect(told).to_contain_text("One outline repaired. One feature left out.")
    expect(told).to_contain_text("LineString is neither point nor area")
    expect(seen.page.get_by_text("This file cannot be used")).to_have_count(0)
    seen.shot("sites-report")


def test_who_has_a_file_in_metres_is_asked_for_its_system(
    visit: Callable[..., Any], stack: Any, tmp_path: Path
) -> None:
    pyproj = pytest.importorskip("pyproj")
    x, y = pyproj.Transformer.from_crs(4326, 32648, always_xy=True).transform(*stack.point)
    path = tmp_path / "metres.csv"
    path.write_text(f"X,Y,village\n{x:.1f},{y:.1f},Veun Sai\n")
    seen = visit()
    seen.open()
    upload(seen.page, path)
    asked = seen.page.get_by_label("does not say its coordinate system")
    expect(asked).to_have_value("EPSG:32648")
    asked.fill("EPSG:999999")
    seen.page.get_by_role("button", name="Read it so").click()
    expect(seen.page.get_by_role("alert").filter(has_text="This file cannot be used")).to_contain_text("not understood")
    asked.fill("EPSG:32648")
    seen.page.get_by_role("button", name="Read it so").click()
    expect(seen.page.get_by_role("heading", name="Veun Sai")).to_be_visible()
    expect(asked).to_have_count(0)


def test_a_file_is_dropped_anywhere(visit: Callable[..., Any], squares: list[Any]) -> None:
    seen = visit()
    seen.open()
    script = """(text) => {
        const given = new DataTransfer();
        given.items.add(new File([text], "fields.geojson"));
        window.given = given;
        const options = { dataTransfer: given, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent("dragover", options));
    }"""
    seen.page.evaluate(script, geojson(squares))
    expect(seen.page.get_by_text("Drop your file of sites")).to_be_visible()
    seen.shot("sites-drop")
    seen.page.evaluate(
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: given, bubbles: true, cancelable: true }))"
    )
    expect(seen.page.get_by_role("heading", name="3 sites")).to_be_visible()
    expect(seen.page.get_by_text("Drop your file of sites")).to_have_count(0)
