"""Blocks read by their places in the index, against rasterio on the same files: every value equal."""

import socket
import struct
import zlib
from dataclasses import replace

import numpy as np
import obstore
import pytest
import rasterio
from obstore.store import LocalStore, MemoryStore
from rasterio.io import MemoryFile
from rasterio.shutil import copy as gdal_copy

from ingest.cog import block_table
from stac import decode
from stac.blocks import IndexedImage
from stac.settings import Settings
from tiler.series import blocks, objects
from tiler.series.blocks import Located, StaleIndexError
from tiler.series.errors import UnreadableError
from tiler.series.grid import Grid, Image, Window

HEIGHT, WIDTH = 700, 900
GRID = Grid(epsg=32648, left=499_980, top=1_400_040, size=10, height=HEIGHT, width=WIDTH)
IMAGE = Image(key="a.tif", path="", grid=GRID)
WINDOWS = [
    Window(top=0, left=0, bottom=HEIGHT, right=WIDTH),
    Window(top=0, left=0, bottom=1, right=1),
    Window(top=255, left=255, bottom=257, right=513),
    Window(top=511, left=767, bottom=513, right=769),
    Window(top=HEIGHT - 1, left=WIDTH - 1, bottom=HEIGHT, right=WIDTH),
    Window(top=300, left=10, bottom=301, right=WIDTH),
    Window(top=5, left=5, bottom=5, right=9),
]


def pixels(dtype):
    info = np.iinfo(dtype)
    return np.random.default_rng(7).integers(info.min, info.max, (HEIGHT, WIDTH), endpoint=True).astype(dtype)


@pytest.fixture
def made(tmp_path):
    """Makes a COG of an array; returns its store and where all of its blocks lie."""

    def make(values, *, nodata=None, **options):
        profile = {"count": 1, "height": HEIGHT, "width": WIDTH, "dtype": values.dtype, "nodata": nodata,
                   "crs": "EPSG:32648", "transform": rasterio.Affine(10, 0, 499_980, 0, -10, 1_400_040)}  # fmt: skip
        options = {"COMPRESS": "ZSTD", "PREDICTOR": "YES", "BLOCKSIZE": 256} | options
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", **profile) as dataset:
                dataset.write(values, 1)
            with memory.open() as dataset:
                gdal_copy(dataset, tmp_path / "a.tif", driver="COG", **options)
        table = block_table(tmp_path / "a.tif")
        if table is None:
            return None
        image = IndexedImage(
            key="a.tif", epsg=32648, left=499_980, top=1_400_040, size=10, height=HEIGHT, width=WIDTH,
            data_type=table.data_type, codec=table.codec, predictor=table.predictor, nodata=nodata,
        )  # fmt: skip
        spans = decode.spans_of(0, table.spans)
        return LocalStore(tmp_path), Located(image=image, spans=spans)

    return make


def assert_equal(tmp_path, store, located):
    with rasterio.open(tmp_path / "a.tif") as dataset:
        expected = dataset.read(1)
    for window, found in zip(WINDOWS, blocks.read(store, located, WINDOWS), strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected[window.top : window.bottom, window.left : window.right])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("compress", ["ZSTD", "DEFLATE"])
@pytest.mark.parametrize("predictor", ["YES", "NO"])
def test_every_value_is_rasterios(made, tmp_path, dtype, compress, predictor):
    store, located = made(pixels(dtype), COMPRESS=compress, PREDICTOR=predictor)

    assert (located.image.codec, located.image.predictor) == (compress.lower(), 2 if predictor == "YES" else 1)
    assert_equal(tmp_path, store, located)


def test_a_big_tiff_is_read_alike(made, tmp_path):
    assert_equal(tmp_path, *made(pixels("uint16"), BIGTIFF="YES"))


def test_blocks_never_written_are_nodata(made, tmp_path):
    values = pixels("int16")
    values[:256, :512] = values[512:, 768:] = -32768
    store, located = made(values, nodata=-32768, SPARSE_OK="YES")

    assert [number for number, (_, length) in located.spans.items() if length == 0] == [0, 1, 11]
    assert_equal(tmp_path, store, located)


def test_the_places_are_gdals(made, tmp_path):
    _, located = made(pixels("uint16"))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        for number, span in located.spans.items():
            row, column = divmod(number, 4)
            told = [
                int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE")
            ]
            assert list(span) == told


@pytest.mark.parametrize("options", [{"BLOCKSIZE": 512}, {"COMPRESS": "LZW"}, {"COMPRESS": "NONE", "PREDICTOR": "NO"}])
def test_what_is_stored_otherwise_has_no_index(made, options):
    assert made(pixels("uint16"), **options) is None


def test_runs_are_the_blocks_touched_side_by_side():
    middle, corner = Window(top=200, left=200, bottom=300, right=600), Window(top=699, left=899, bottom=700, right=900)

    assert [(run.first, run.count) for run in blocks.runs(IMAGE, [middle, corner])] == [(0, 3), (4, 3), (11, 1)]
    assert [(run.first, run.count) for run in blocks.runs(IMAGE, [middle._replace(right=900)])] == [(0, 4), (4, 4)]
    assert blocks.runs(IMAGE, [Window(top=5, left=5, bottom=5, right=9)]) == []


def test_neighbours_are_one_request_and_only_what_is_needed_is_read(made):
    _, located = made(pixels("uint16"))
    spans = located.spans
    ends = {number: (offset - 4, offset + length + 4) for number, (offset, length) in spans.items()}

    assert decode.ranges({0: spans[0], 1: spans[1]}) == [(ends[0][0], ends[1][1])]
    assert decode.ranges({0: spans[0], 8: spans[8]}) == [ends[0], ends[8]]


def test_a_block_that_is_not_where_the_index_says_is_not_used(made):
    store, located = made(pixels("uint16"))
    offset, length = located.spans[0]
    for wrong in (
        (offset + 8, length),
        (offset, length - 1),
        (located.spans[1][0], located.spans[1][1] + 1),
        (10**9, 50),
    ):
        with pytest.raises((StaleIndexError, UnreadableError)):
            blocks.read(store, replace(located, spans={0: wrong}), WINDOWS[1:2])


@pytest.mark.parametrize("packed", [b"no frame at all", zlib.compress(b"short"), b""])
@pytest.mark.parametrize("codec", ["zstd", "deflate"])
def test_a_damaged_block_is_unreadable_and_says_so(made, packed, codec):
    _, located = made(pixels("uint16"))
    store = MemoryStore()
    last = packed[-4:] or b"\0\0\0\0"
    obstore.put(store, "a.tif", b"...." + struct.pack("<I", len(packed)) + packed + last)
    broken = replace(located, image=replace(located.image, codec=codec), spans={0: (8, len(packed) or 1)})

    with pytest.raises((UnreadableError, StaleIndexError), match=r"a\.tif: block 0 is"):
        blocks.read(store, broken, WINDOWS[1:2])


def test_a_lost_object_is_named(made):
    _, located = made(pixels("uint16"))

    with pytest.raises(UnreadableError, match=r"^a\.tif is not in the object store$"):
        blocks.read(MemoryStore(), located, WINDOWS[1:2])


def test_an_index_of_another_grid_does_not_fit(made):
    _, located = made(pixels("uint16"))

    assert blocks.fits(IMAGE, located.image)
    assert not blocks.fits(replace(IMAGE, grid=replace(GRID, size=20)), located.image)


def test_a_store_that_does_not_answer_is_given_up(made):
    _, located = made(pixels("uint16"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = objects.connect(Settings(s3_endpoint=endpoint, aws_access_key_id="k"), seconds=0.3)
        with pytest.raises(UnreadableError, match=r"^a\.tif could not be read from the object store$"):
            blocks.read(store, located, WINDOWS[1:2])
