"""The lane in front of TiTiler's tiles: the same pixels, without GDAL; GDAL, rio-tiler and TiTiler itself say so."""

import math
import re
from functools import partial

import numpy as np
import obstore
import psycopg
import pytest
import rasterio
from numpy.lib.stride_tricks import sliding_window_view
from obstore.store import LocalStore, S3Store
from pictures import colours, has_palette
from pyproj import Transformer
from rio_tiler.colormap import cmap
from rio_tiler.io import Reader
from rio_tiler.models import ImageData

from ingest import cog
from ingest.derive import INDEX_RADIOMETRY
from stac.catalog import publish
from stac.indices import INDICES
from stac.scene import Grid as StoredGrid
from tiler.lanes import png, warp
from tiler.lanes.colour import Look, table
from tiler.lanes.images import Images
from tiler.lanes.palette import Meaning, Palette, Style, palette, reduced
from tiler.lanes.request import parse
from tiler.series.errors import UnreadableError
from tiler.series.grid import Grid, Window

# A PNG has no place in the world.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 256
SIZE = 1300
STORED = Meaning(data_type="int16", scale=0.0001, offset=0.0, nodata=-32768)


def tile_at(lon, lat, zoom):
    """Column and row of the tile that holds a place."""
    tiles = 2**zoom
    return int((lon + 180) / 360 * tiles), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * tiles)


# --- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 256])
def test_a_picture_with_a_palette_is_read_back_by_others(count):
    random = np.random.default_rng(count)
    codes = random.integers(0, count, (70, 31)).astype(np.uint8)
    colors = random.integers(0, 256, (count, 4)).astype(np.uint8)
    content = png.encode(codes, colors)

    assert has_palette(content)
    assert np.array_equal(np.moveaxis(colours(content), 0, -1), colors[codes])


@pytest.mark.parametrize("what", ["whole", "holes", "black too", "nothing", "larger pixels"])
def test_a_picture_in_true_colour_is_read_back_by_others(what):
    random = np.random.default_rng(3)
    colors = random.integers(1, 256, (3, 41, 67)).astype(np.uint8)
    shown = np.ones((41, 67), dtype=np.bool_) if what == "whole" else random.random((41, 67)) > 0.3
    if what == "larger pixels":
        colors = colors[:, np.arange(41) // 3][:, :, np.arange(67) // 3]
    if what == "black too":
        colors[:, shown & (random.random((41, 67)) > 0.9)] = 0
    if what == "nothing":
        shown[:] = False
    content = png.encode_colours(colors, shown)
    found = colours(content)

    assert content[25] == (6 if what == "black too" else 2)  # the kind of picture: with opacity, and without
    assert np.array_equal(found[3] == 255, shown)
    assert np.array_equal(found[:3], np.where(shown, colors, 0))


@pytest.mark.parametrize("formula", [None, "gamma RGB 1.5", "Gamma R 2 sigmoidal GB 6 0.4", "gamma b 0.7"])
@pytest.mark.parametrize("stretch", [None, (20.0, 180.0)])
def test_every_number_has_the_shades_that_rio_tiler_gives_it(formula, stretch):
    meaning = Meaning(data_type="uint8", scale=1.0, offset=0.0, nodata=0)
    random = np.random.default_rng(4)
    stored = random.integers(0, 256, (3, 50, 60)).astype(np.uint8)
    image = ImageData(np.ma.MaskedArray(stored.copy(), mask=stored == 0))
    if stretch:
        image.rescale([stretch])
    if formula:
        image.apply_color_formula(formula)
    shades = table(Look(stretch=stretch, formula=formula), meaning)

    assert np.array_equal(np.stack([shades[band][stored[band]] for band in range(3)]), image.array.data)


@pytest.mark.parametrize(
    "formula", ["saturation 1.5", "gamma RGB 1.5 Saturation 2", "gamma", "gamma X 2", "gamma R -1", "x"]
)
def test_a_formula_that_no_table_holds_is_left_alone(formula):
    meaning = Meaning(data_type="uint8", scale=1.0, offset=0.0, nodata=0)
    assert table(Look(stretch=None, formula=formula), meaning) is None


def test_every_stored_number_has_the_colour_that_its_value_has():
    style = Style(asset="NDVI", stretch=(-0.2, 0.9), name="rdylgn", custom=None)
    found = palette(style, STORED)
    numbers = np.array([-32768, -32767, -10000, -2000, 0, 4321, 9000, 32767], dtype=np.int16)
    ramp = cmap.get("rdylgn")
    shades = np.clip((numbers * 0.0001 + 0.2) / 1.1, 0, 1) * 255
    expected = [(0, 0, 0, 0)] + [ramp[int(shade)] for shade in shades[1:]]

    assert found.colors[found.codes[numbers.view(np.uint16)]].tolist() == [list(colour) for colour in expected]


def test_a_picture_of_more_colours_than_a_palette_holds_is_left_alone():
    colors = np.arange(257 * 4, dtype=np.uint32).astype(np.uint8).reshape(257, 4)
    found = Palette(codes=np.zeros(1, dtype=np.uint16), colors=colors)
    some = np.arange(257, dtype=np.uint16)[1:].reshape(16, 16)
    codes, used = reduced(some, found)

    assert np.array_equal(used[codes], colors[some])
    assert reduced(np.arange(257, dtype=np.uint16), found) is None


@pytest.mark.parametrize(
    ("path", "query", "taken"),
    [
        ({}, "assets=NDVI", True),
        ({}, "assets=SCL", True),
        ({}, "assets=NDVI&rescale=-0.2,0.9&colormap_name=rdylgn&mask=scl", True),
        ({}, "assets=B04&colormap_name=viridis", True),
        ({}, "assets=B04", False),
        ({}, "assets=MASK", False),
        ({}, "assets=TCI", True),
        ({}, "assets=TCI&color_formula=gamma RGB 1.5&mask=scl", True),
        ({}, "assets=B04&assets=B03&assets=B02", True),
        ({}, "assets=B04&assets=B03&assets=B02&rescale=0,0.4", True),
        ({"format": "webp"}, "assets=TCI", True),
        ({"format": "jpg"}, "assets=B04&assets=B03&assets=B02", True),
        ({"format": "webp"}, "assets=NDVI", False),
        ({"format": "tif"}, "assets=TCI", False),
        ({}, "assets=TCI&bidx=1", False),
        ({}, "assets=TCI&color_formula=gamma RGB 1.5;", False),
        ({}, "assets=B04&assets=B03", False),
        ({}, "assets=NDVI&assets=EVI&assets=NBR", False),
        ({}, "assets=B04&assets=B03&assets=B02&rescale=0,1&rescale=0,2&rescale=0,3", False),
        ({}, "assets=NDVI&assets=NDWIGAO", False),
        ({}, "assets=NDVI|indexes=1", False),
        ({}, "assets=NDVI&rescale=0,1&rescale=0,2", False),
        ({}, "assets=NDVI&rescale=1,0", False),
        ({}, "assets=NDVI&rescale=nan,1", False),
        ({}, "assets=NDVI&rescale=x", False),
        ({}, "assets=NDVI&colormap_name=", False),
        ({}, "assets=NDVI&tilesize=512", True),
        ({}, "assets=NDVI&tilesize=100", False),
        ({}, "assets=NDVI&resampling=bilinear", False),
        ({}, "assets=NDVI&expression=b1", False),
        ({}, "", False),
        ({"format": "npy"}, "assets=NDVI", False),
        ({"tileMatrixSetId": "WGS1984Quad"}, "assets=NDVI", False),
        ({"z": "3"}, "assets=NDVI", False),
        ({"z": "31"}, "assets=NDVI", False),
        ({"x": "512"}, "assets=NDVI", False),
        ({"x": "-1"}, "assets=NDVI", False),
        ({"y": "\u0661"}, "assets=NDVI", False),
    ],
)
def test_what_the_lane_does_not_know_it_leaves_alone(path, query, taken):
    whole = {"collection_id": "c", "item_id": "i", "tileMatrixSetId": "WebMercatorQuad", "format": "png"}
    pairs = [tuple(part.split("=", 1)) for part in query.split("&") if part]

    assert (parse(whole | {"z": "9", "x": "400", "y": "230"} | path, pairs) is not None) == taken


# --- pixels --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[1_400_040, 4_800_000, -3_600_000], ids=["13N", "43N", "south"])
def noise(request, tmp_path_factory):
    """A COG in which no pixel is like its neighbour, its grid, and the images of its folder."""
    folder = tmp_path_factory.mktemp("noise")
    epsg, top = (32648, request.param) if request.param > 0 else (32748, 10_000_000 + request.param)
    stored = StoredGrid(
        epsg=epsg, width=SIZE, height=SIZE, left=300_000.0, top=float(top), pixel_width=10.0, pixel_height=10.0
    )
    pixels = np.random.default_rng(1).integers(-9000, 9000, (SIZE, SIZE)).astype(np.int16)
    cog.write_cog(pixels, stored, folder / "noise.tif", radiometry=INDEX_RADIOMETRY)
    grid = Grid(epsg=epsg, left=300_000.0, top=float(top), size=10.0, height=SIZE, width=SIZE)
    return folder / "noise.tif", grid, Images(LocalStore(folder), 2**24)


def sampled(images, grid, square):
    """Stored numbers at a tile's pixels, nodata beside the image."""
    directory = images.directory("noise.tif")
    *_, ratio = warp.pixels(grid, square, SIDE)
    number = warp.level(ratio, SIDE, directory.widths)
    layout = directory.layouts[number]
    places = warp.gather(grid, square, SIDE, (layout.height, layout.width))
    found = images.read("noise.tif", number, layout, places.window)[0].ravel()[places.places]
    return found if places.outside is None else np.where(places.outside, -32768, found)


@pytest.mark.parametrize("zoom", [8, 10, 11, 12, 13, 14, 15, 18])
def test_pixels_are_those_that_rio_tiler_reads(noise, zoom):
    path, grid, images = noise
    to_degrees = Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform
    column, row = tile_at(*to_degrees(grid.left + 6510, grid.top - 6510), zoom)
    found = sampled(images, grid, warp.bounds(zoom, column, row))
    with Reader(str(path)) as source:
        image = source.tile(column, row, zoom).array[0]
    expected = image.filled(-32768)
    shown = ~np.ma.getmaskarray(image)

    # GDAL computes places to an eighth of a pixel; noise tells every other pixel, overview or shift.
    assert ((found != -32768) != shown).mean() < 0.005
    assert (found == expected)[shown].mean() > 0.9


@pytest.mark.parametrize("zoom", [7, 9, 12, 14, 20])
def test_places_are_those_of_the_projection(noise, zoom):
    _, grid, _ = noise
    to_degrees = Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform
    square = warp.bounds(zoom, *tile_at(*to_degrees(grid.left + 4000, grid.top - 4000), zoom))
    rows, columns, ratio = warp.pixels(grid, square, SIDE)
    step = (square[2] - square[0]) / SIDE
    xs, ys = np.meshgrid(square[0] + (np.arange(SIDE) + 0.5) * step, square[3] - (np.arange(SIDE) + 0.5) * step)
    eastings, northings = rasterio.warp.transform("EPSG:3857", f"EPSG:{grid.epsg}", xs.ravel(), ys.ravel())
    error = np.hypot(
        (np.array(eastings) - grid.left) / 10 - columns.ravel(), (grid.top - np.array(northings)) / 10 - rows.ravel()
    )

    assert error.max() / ratio < 0.02


def test_tiles_meet_at_their_edges_and_have_the_bounds_of_the_grid():
    west, south, east, north = warp.degrees(warp.bounds(9, 405, 238))

    assert warp.bounds(9, 405, 238)[2] == pytest.approx(warp.bounds(9, 406, 238)[0])
    assert tile_at((west + east) / 2, (south + north) / 2, 9) == (405, 238)
    assert (west, east) == (pytest.approx(405 / 512 * 360 - 180), pytest.approx(406 / 512 * 360 - 180))


def test_what_is_kept_is_bounded_and_what_is_read_again_is_the_same(noise):
    path, _, _ = noise
    few = Images(LocalStore(path.parent), 2**19)
    layout = few.directory("noise.tif").layouts[0]
    with rasterio.open(path) as source:
        whole = source.read(1)
    for _ in range(2):
        found = few.read("noise.tif", 0, layout, Window(0, 0, SIZE, SIZE))
        assert np.array_equal(found[0], whole)
    assert sum(block.nbytes for block in few._blocks.values()) <= 2**19
    other = few.read("noise.tif", 0, layout, Window(250, 1270, 700, 1300))
    assert np.array_equal(other[0], whole[250:700, 1270:])


def test_an_image_stored_otherwise_is_left_alone_and_a_broken_one_named(noise, tmp_path):
    path, _, _ = noise
    content = path.read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[:400])
    (tmp_path / "no.tif").write_bytes(b"II*\0 no image")
    (tmp_path / "head.tif").write_bytes(content[:16] + b"\xff" * 8 + content[24:1024])
    with rasterio.open(tmp_path / "plain.tif", "w", "GTiff", 9, 9, 1, "EPSG:32648", dtype="int16") as plain:
        plain.write(np.zeros((1, 9, 9), dtype=np.int16))
    images = Images(LocalStore(tmp_path), 2**20)

    assert images.directory("plain.tif") is None
    assert images.directory("no.tif") is None
    with pytest.raises(UnreadableError, match=r"cut\.tif is no image any more"):
        images.directory("cut.tif")
    with pytest.raises(UnreadableError, match=r"none\.tif is not in the object store"):
        images.directory("none.tif")


# --- the service ---------------------------------------------------------------------------------------------------

BY_TITILER = {"resampling": "nearest"}
"""What TiTiler takes for granted, and the lane does not know."""
ROUND = '{"4": "#00a000", "6": [0, 0, 255, 255], "8": [200, 200, 200, 120]}'


def address(archive, spec, zoom, collection="sentinel-2-indices", at=(180, 60)):
    column, row = tile_at(*archive.place(archive.UPPER if spec is archive.TOP else spec, *at), zoom)
    return f"/collections/{collection}/items/{spec.name}/tiles/WebMercatorQuad/{zoom}/{column}/{row}.png"


def by_lane(answer):
    """Whether the lane made it: TiTiler's tiles have no tag."""
    assert answer.status_code == 200, answer.text
    return "etag" in answer.headers


def near(found, expected):
    """Where the colours found are those expected there, or of a pixel beside."""
    around = sliding_window_view(np.pad(expected, ((0, 0), (1, 1), (1, 1)), "edge"), (3, 3), axis=(1, 2))
    return (around.reshape(*expected.shape, 9) == found[..., np.newaxis]).all(axis=0).any(axis=-1)


@pytest.mark.parametrize(
    ("spec", "collection", "query"),
    [
        ("UPPER", "sentinel-2-indices", {"assets": "NDVI"}),
        ("UPPER", "sentinel-2-indices", {"assets": "NDVI", "mask": "scl"}),
        ("UPPER", "sentinel-2-indices", {"assets": "NDWIGAO", "mask": "cm001", "colormap_name": "viridis"}),
        ("EDGE", "sentinel-2-indices", {"assets": "NDVI", "rescale": "0,0.5", "colormap_name": "spectral_r"}),
        ("EDGE", "sentinel-2-indices", {"assets": "MNDWI", "mask": "none"}),
        ("UPPER", "sentinel-2-l2a", {"assets": "SCL"}),
        ("EDGE", "sentinel-2-l2a", {"assets": "SCL", "colormap": ROUND}),
        ("UPPER", "sentinel-2-l2a", {"assets": "B04", "colormap_name": "gray", "mask": "scl"}),
        ("OLD", "sentinel-2-l2a", {"assets": "B11", "colormap_name": "magma", "rescale": "0.05,0.3"}),
    ],
)
@pytest.mark.parametrize("zoom", [7, 9, 11])
def test_the_picture_is_titilers(archive, spec, collection, query, zoom):
    path = address(archive, getattr(archive, spec), zoom, collection)
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)
    found, expected = colours(ours.content), colours(theirs.content)
    found[:, found[3] == 0] = expected[:, expected[3] == 0] = 0

    assert has_palette(ours.content)
    assert not has_palette(theirs.content)
    assert len(ours.content) < len(theirs.content)
    assert (found == expected).all(axis=0).mean() > 0.95
    assert (
        near(found, expected).all() or zoom == 7
    )  # where pixels are left out, the next one of the image is not in the picture
    assert expected[3].any()
    for header in ("content-type", "content-crs"):
        assert ours.headers[header] == theirs.headers[header]
    bounds = [[float(part) for part in answer.headers["content-bbox"].split(",")] for answer in (ours, theirs)]
    assert bounds[0] == pytest.approx(bounds[1])


GAMMA = {"color_formula": "gamma RGB 1.5"}
"""As the page asks for true colour."""
RGB = {"assets": ["B04", "B03", "B02"]}


@pytest.mark.parametrize(
    ("spec", "collection", "query"),
    [
        ("UPPER", "sentinel-2-l2a", {"assets": "TCI"} | GAMMA),
        ("EDGE", "sentinel-2-l2a", {"assets": "TCI", "rescale": "10,120"}),
        ("TOP", "sentinel-2-l1c", {"assets": "TCI"} | GAMMA),
        ("UPPER", "sentinel-2-l2a", {"assets": "TCI", "mask": "scl"}),
        ("OLD", "sentinel-2-l2a", RGB),
        ("UPPER", "sentinel-2-l2a", RGB | GAMMA | {"rescale": "0.02,0.25", "mask": "scl"}),
    ],
)
@pytest.mark.parametrize(("zoom", "form"), [(9, "png"), (11, "png"), (10, "jpg"), (10, "webp")])
def test_true_colour_is_titilers(archive, spec, collection, query, zoom, form):
    path = address(archive, getattr(archive, spec), zoom, collection).replace(".png", f".{form}")
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)
    found, expected = colours(ours.content), colours(theirs.content)
    found[:, found[3] == 0] = expected[:, expected[3] == 0] = 0

    assert by_lane(ours)
    assert not by_lane(theirs)
    # The sample's pixels are so large that at zoom 11 each is 25 of the picture's.
    assert len(ours.content) <= len(theirs.content) * (1.5 if zoom == 11 else 1.15)
    assert expected[3].any()
    assert found.shape == expected.shape
    if form == "png":
        assert (found == expected).all(axis=0).mean() > 0.95
        assert near(found, expected).all()
    else:
        # These formats change colours around a pixel that is its neighbour's.
        assert (found[3] == expected[3]).mean() > 0.99
        assert np.abs(found.astype(int) - expected).mean() < 2
    assert ours.headers["content-type"] == theirs.headers["content-type"]


def test_bands_of_other_sizes_meet_in_one_picture(archive):
    path = address(archive, archive.UPPER, 11, "sentinel-2-l2a")
    query = {"assets": ["B12", "B8A", "B04"], "rescale": "0,0.4"}
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)

    assert by_lane(ours)
    assert (colours(ours.content) == colours(theirs.content)).mean() > 0.95


@pytest.mark.parametrize(
    ("collection", "query"), [("sentinel-2-indices", {"assets": "NDVI"}), ("sentinel-2-l2a", {"assets": "TCI"})]
)
@pytest.mark.parametrize("zoom", [8, 10])
def test_tiles_of_twice_the_pixels(archive, collection, query, zoom):
    path, query = address(archive, archive.UPPER, zoom, collection), query | {"tilesize": "512"}
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)
    found, expected = colours(ours.content), colours(theirs.content)
    found[:, found[3] == 0] = expected[:, expected[3] == 0] = 0

    assert by_lane(ours)
    assert found.shape == (4, 512, 512)
    assert (found == expected).all(axis=0).mean() > 0.95
    assert near(found, expected).mean() > 0.999


@pytest.mark.parametrize(
    "query", [{"assets": "TCI", "color_formula": "saturation 1.5"}, {"assets": "TCI", "bidx": "1"}]
)
def test_what_the_lane_cannot_colour_titiler_does(archive, query):
    answer = archive.client.get(address(archive, archive.UPPER, 9, "sentinel-2-l2a"), params=query)

    assert answer.status_code == 200
    assert not by_lane(answer)


def test_a_tile_that_a_browser_has_is_not_drawn_again(archive):
    path = address(archive, archive.UPPER, 9)
    plain, masked, other = (
        archive.client.get(address(archive, archive.UPPER, zoom), params=query)
        for zoom, query in ((9, {"assets": "NDVI"}), (9, {"assets": "NDVI", "mask": "scl"}), (10, {"assets": "NDVI"}))
    )
    ask = partial(archive.client.get, path, params={"assets": "NDVI"})
    tag = plain.headers["etag"]

    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    assert len({answer.headers["etag"] for answer in (plain, masked, other)}) == 3
    assert plain.headers["cache-control"] == "public, max-age=3600"
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = ask(headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (tag, "public, max-age=3600")
    assert ask(headers={"If-None-Match": masked.headers["etag"]}).status_code == 200


def test_a_tile_within_the_box_where_nothing_was_seen_is_transparent(archive):
    answer = archive.client.get(address(archive, archive.EDGE, 13, at=(10, 330)), params={"assets": "NDVI"})
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert not colours(answer.content)[3].any()


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("assets=NDVI&mask=cm009", 400, "choose from none, scl"),
        ("assets=NDVI&colormap=x", 400, "colormap"),
        ("assets=NDVI&colormap_name=x", 422, "colormap_name"),
        ("assets=NOPE&colormap_name=viridis", 404, "has no asset 'NOPE'"),
    ],
)
def test_refusals_are_those_of_titiler(archive, query, status, told):
    ours = archive.client.get(f"{address(archive, archive.UPPER, 9)}?{query}")
    theirs = archive.client.get(f"{address(archive, archive.UPPER, 9)}?{query}&resampling=nearest")

    assert told in ours.json()["detail"]
    assert (ours.status_code, ours.json()) == (status, theirs.json())


def test_beside_the_item_there_is_no_tile(archive):
    base = address(archive, archive.UPPER, 9).rpartition("/tiles/")[0]
    ours, theirs = (
        archive.client.get(f"{base}/tiles/WebMercatorQuad/9/1/1.png", params={"assets": "NDVI"} | more)
        for more in ({}, BY_TITILER)
    )

    assert (ours.status_code, ours.json()) == (404, theirs.json())


NEWEST = {"assets": "TCI", "filter": "eo:cloud_cover <= 20", "filter-lang": "cql2-text", "sortby": "-datetime"} | GAMMA
"""The page's map of the newest clear scenes."""


def of_all(archive, zoom, at=(180, 60)):
    """The address of a mosaic's tile."""
    path = address(archive, archive.UPPER, zoom, "sentinel-2-l2a", at=at)
    return path.replace(f"/items/{archive.UPPER.name}", "")


@pytest.mark.parametrize(
    ("query", "zoom", "form"),
    [
        (NEWEST, 8, "png"),
        (NEWEST, 10, "png"),
        ({"assets": "TCI"}, 9, "webp"),
        (RGB | {"mask": "scl", "sortby": "datetime"}, 9, "png"),
        (NEWEST | {"tilesize": "512"}, 9, "png"),
        (
            NEWEST | {"filter": '{"op": "=", "args": [{"property": "platform"}, "x"]}', "filter-lang": "cql2-json"},
            9,
            "",
        ),
    ],
)
def test_a_mosaic_is_titilers(archive, query, zoom, form):
    path = of_all(archive, zoom).replace(".png", f".{form or 'png'}")
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)
    if not form:
        assert (ours.status_code, ours.json()) == (404, theirs.json())
        return
    found, expected = colours(ours.content), colours(theirs.content)
    found[:, found[3] == 0] = expected[:, expected[3] == 0] = 0

    assert by_lane(ours)
    assert not by_lane(theirs)
    assert expected[3].any()
    assert (found[3] == expected[3]).mean() > 0.99
    assert form == "webp" or (found == expected).all(axis=0).mean() > 0.95
    assert ours.headers["cache-control"] == theirs.headers["cache-control"] == "public, max-age=60"
    again = archive.client.get(path, params=query, headers={"If-None-Match": ours.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "public, max-age=60")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"filter": "eo:cloud_cover <="}, 422),
        ({"filter": "nothing_of_it = 1"}, 400),
        ({"filter-lang": "sql"}, 422),
        ({"mask": "cm009"}, 400),
        ({"sortby": "x" * 3000}, None),
    ],
)
def test_refusals_of_mosaics_are_those_of_titiler(archive, more, status):
    path, query = of_all(archive, 9), NEWEST | more
    ours, theirs = archive.client.get(path, params=query), archive.client.get(path, params=query | BY_TITILER)

    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content) or by_lane(ours)
    assert status is None or ours.status_code == status


def test_an_item_that_is_gone_is_not_shown_any_more(archive):
    path, query = of_all(archive, 10), NEWEST | {"filter": f"id = '{archive.EDGE.name}'"}
    assert by_lane(archive.client.get(path, params=query))
    kept = archive.item("sentinel-2-l2a", archive.EDGE.name)
    with psycopg.connect(archive.settings.pg_dsn) as connection:
        connection.execute("SET search_path TO pgstac, public")
        connection.execute("SELECT delete_item(%s, 'sentinel-2-l2a')", (archive.EDGE.name,))
    answer = archive.client.get(path, params=query)
    publish([kept], archive.settings)

    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("whole", [False, True])
def test_nobody_waits_no_tile_is_made(archive, whole):
    path = of_all(archive, 9) if whole else address(archive, archive.UPPER, 9)
    query = "assets=TCI" if whole else "assets=NDVI"
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "scheme": "http", "headers": [], "server": ("test", 80), "http_version": "1.1", "state": {},
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    archive.client.portal.call(archive.client.app, scope, receive, send)
    assert sent[0]["status"] == 499


def store_of(settings):
    return S3Store(
        settings.s3_bucket, endpoint=settings.s3_endpoint, region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip


@pytest.mark.parametrize(("asset", "mask"), [("NDVI", "none"), ("MNDWI", "scl")])
@pytest.mark.parametrize("how", ["lost", "cut", "changed"])
def test_a_broken_object_is_named(archive, asset, mask, how):
    """The last test of the module: it breaks objects."""
    settings, store = archive.settings, store_of(archive.settings)
    broken = "MASK" if mask == "scl" else asset
    key = archive.path("sentinel-2-indices", archive.LOWER.name, broken).removeprefix(f"/vsis3/{settings.s3_bucket}/")
    content = bytes(obstore.get(store, key).bytes())
    if how == "lost":
        obstore.delete(store, key)
    else:
        obstore.put(store, key, content[:3000] if how == "cut" else content[:3000] + bytes(len(content) - 3000))
    # Kept from before, it would be served: the object never changes.
    archive.client.app.state.lane.images.forget()
    answer = archive.client.get(
        address(archive, archive.LOWER, 7, at=(300, 300)), params={"assets": asset, "mask": mask}
    )
    obstore.put(store, key, content)

    assert answer.status_code == 502, answer.text
    assert answer.json()["code"] == "ObjectUnreadable"
    assert answer.json()["detail"].startswith(f"{asset} of sentinel-2-indices/{archive.LOWER.name}: ")
    assert f"/{broken}-" in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store"


def test_of_a_mosaic_what_cannot_be_read_is_left_out_and_named(archive):
    """After all that needs the object."""
    settings, name = archive.settings, archive.EDGE.name
    path, query = of_all(archive, 9), NEWEST | {"filter": "eo:cloud_cover <= 21"}
    before = archive.client.get(path, params=query)
    key = archive.path("sentinel-2-l2a", name, "TCI").removeprefix(f"/vsis3/{settings.s3_bucket}/")
    store = store_of(settings)
    content = bytes(obstore.get(store, key).bytes())
    obstore.delete(store, key)
    archive.client.app.state.lane.images.forget()
    answer = archive.client.get(path, params=query)
    obstore.put(store, key, content)

    assert by_lane(before)
    assert not by_lane(answer)
    assert answer.headers["x-unreadable-items"] == f"sentinel-2-l2a/{name}"
    assert answer.headers["cache-control"] == "no-store"


def test_the_table_of_indices_has_colours_that_the_lane_draws():
    for index in INDICES.values():
        style = Style(asset=index.name, stretch=index.display_range, name=None, custom=None)
        assert len(palette(style, STORED).colors) > 100
