import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_info

from ingest.cog import statistics, write_cog
from ingest.errors import IngestError
from stac.scene import Grid, Radiometry

GRID = Grid(epsg=32648, width=900, height=700, left=499980.0, top=1500000.0, pixel_width=100.0, pixel_height=100.0)


def values(dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.random.default_rng(3).integers(info.min, info.max, GRID.shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 0), ("int16", -32768), ("uint8", None)])
def test_a_cog_holds_the_very_pixels_and_says_what_they_mean(tmp_path: Path, dtype: str, nodata: int | None) -> None:
    pixels = values(dtype)
    radiometry = Radiometry(scale=0.0001, offset=-0.1, nodata=nodata, unit="%")
    path = tmp_path / "a.tif"
    write_cog(pixels, GRID, path, radiometry=radiometry)
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(1), pixels)
        assert (dataset.scales, dataset.offsets, dataset.units) == ((0.0001,), (-0.1,), ("%",))
        assert dataset.nodata == nodata
        assert dataset.crs.to_epsg() == 32648
        assert tuple(dataset.transform)[:6] == GRID.transform
        assert dataset.block_shapes == [(256, 256)]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    info = cog_info(path)
    assert (info.COG, info.Compression) == (True, "ZSTD")


def test_overviews_average_values_and_take_the_mode_of_classes(tmp_path: Path) -> None:
    pixels = np.zeros(GRID.shape, dtype=np.uint16)
    pixels[0::2, 0::2], pixels[0::2, 1::2], pixels[1::2, 0::2], pixels[1::2, 1::2] = 10, 10, 10, 90
    for kind, expected in (("average", 30), ("mode", 10)):
        path = tmp_path / f"{kind}.tif"
        write_cog(pixels, GRID, path, radiometry=Radiometry(), overviews=kind)
        with rasterio.open(path, OVERVIEW_LEVEL=0) as overview:
            assert set(np.unique(overview.read(1))) == {expected}


def test_overviews_average_valid_pixels_only(tmp_path: Path) -> None:
    pixels = np.full(GRID.shape, 40, dtype=np.uint16)
    pixels[0::2, 0::2], pixels[0::2, 1::2] = 0, 10
    path = write_cog(pixels, GRID, tmp_path / "a.tif", radiometry=Radiometry(nodata=0)).path
    with rasterio.open(path, OVERVIEW_LEVEL=0) as overview:
        assert set(np.unique(overview.read(1))) == {30}


@pytest.mark.parametrize(("width", "factors"), [(256, []), (257, [2]), (900, [2, 4]), (1830, [2, 4, 8])])
def test_overviews_go_down_to_one_block(tmp_path: Path, width: int, factors: list[int]) -> None:
    grid = replace(GRID, width=width, height=200)
    pixels = np.random.default_rng(1).integers(1, 9, grid.shape).astype(np.uint8)
    path = write_cog(pixels, grid, tmp_path / "a.tif", radiometry=Radiometry(nodata=0)).path
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == factors
        assert np.array_equal(dataset.read(1), pixels)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.97, 0.99999])
def test_a_file_cut_by_a_full_disk_is_never_taken_for_whole(tmp_path: Path, share: float) -> None:
    """GDAL itself reports no error when only the last writes fail."""
    grid = replace(GRID, width=192, height=192)
    pixels = np.random.default_rng(1).integers(1, 60_000, grid.shape).astype(np.uint16)
    size = write_cog(pixels, grid, tmp_path / "whole.tif", radiometry=Radiometry(nodata=0)).size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), hard))
    try:
        with pytest.raises(IngestError, match=r"a\.tif cannot be written to .* MB are free"):
            write_cog(pixels, grid, tmp_path / "a.tif", radiometry=Radiometry(nodata=0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "a.tif").exists()


def test_the_pixels_given_may_be_a_view_and_stay_as_they_are(tmp_path: Path) -> None:
    whole = values("uint16").repeat(2, axis=1)
    before = whole.copy()
    path = write_cog(whole[:, ::2], GRID, tmp_path / "a.tif", radiometry=Radiometry(nodata=0)).path
    assert np.array_equal(whole, before)
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(1), whole[:, ::2])


def test_a_picture_has_three_bands(tmp_path: Path) -> None:
    picture = np.stack([values("uint8")] * 3)
    path = tmp_path / "tci.tif"
    write_cog(picture, GRID, path, radiometry=Radiometry(nodata=0))
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(), picture)


def test_the_same_pixels_make_the_same_file(tmp_path: Path) -> None:
    pixels = values("uint16")
    files = [write_cog(pixels, GRID, tmp_path / name, radiometry=Radiometry(nodata=0)) for name in ("a.tif", "b.tif")]
    assert files[0].sha256 == files[1].sha256
    assert files[0].size == files[0].path.stat().st_size


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 0), ("int16", -32768), ("uint8", None)])
def test_statistics_equal_numpy(dtype: str, nodata: int | None) -> None:
    pixels = values(dtype)
    valid = pixels[pixels != nodata].astype(np.float64) if nodata is not None else pixels.astype(np.float64)
    found = statistics(pixels, nodata)
    assert (found.minimum, found.maximum) == (valid.min(), valid.max())
    assert found.mean == pytest.approx(valid.mean(), rel=1e-12)
    assert found.stddev == pytest.approx(valid.std(), rel=1e-9)
    assert found.valid_percent == pytest.approx(100 * valid.size / pixels.size)


def test_statistics_stand_in_the_file_where_gdal_looks_for_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 9000, (300, 300)).astype(np.uint16)
    path = tmp_path / "x.tif"
    write_cog(pixels, GRID, path, radiometry=Radiometry(nodata=0), statistics=statistics(pixels, 0))

    with rasterio.open(path) as dataset:
        told, computed = dataset.tags(1), dataset.stats(approx=False)[0]
    valid = pixels[pixels > 0]
    for name, expected in {"MINIMUM": valid.min(), "MAXIMUM": valid.max(), "MEAN": valid.mean()}.items():
        assert float(told[f"STATISTICS_{name}"]) == pytest.approx(expected, rel=1e-5)
    assert float(told["STATISTICS_STDDEV"]) == pytest.approx(valid.std(), rel=1e-5)
    assert computed.mean == pytest.approx(valid.mean(), rel=1e-5)


def test_statistics_of_nothing() -> None:
    found = statistics(np.zeros((4, 4), np.uint16), 0)
    assert found.mean is None
    assert found.valid_percent == 0
