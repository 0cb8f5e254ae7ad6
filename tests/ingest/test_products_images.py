"""Decoding: large images in strips, and images on other servers."""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from ingest.errors import InvalidProductError, MissingImageError, StoreError
from ingest.products import open_product
from ingest.products.images import decode

SIZE = 2048


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    steps = np.random.default_rng(1).integers(-12, 13, (SIZE, SIZE))
    return (np.cumsum(steps, axis=1) % 4000 + 1000).astype("uint16")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("large") / "T33TWM_B04.jp2"
    write(path, pixels, driver="JP2OpenJPEG", REVERSIBLE="YES", QUALITY="100", BLOCKXSIZE=512, BLOCKYSIZE=512)
    return path


def write(path: Path, pixels: np.ndarray, **options: Any) -> None:
    step = 109_800 / pixels.shape[1]
    with rasterio.open(
        path, "w", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype, crs="EPSG:32633",
        transform=Affine(step, 0, 499_980, 0, -step, 5_200_020), **options,
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)


@pytest.mark.parametrize("in_memory", [False, True])
def test_large_image_is_decoded_in_strips(large: Path, pixels: np.ndarray, *, in_memory: bool) -> None:
    raster = decode(large.read_bytes() if in_memory else large, "B04", "x")
    np.testing.assert_array_equal(raster.pixels, pixels)
    assert raster.grid.shape == (SIZE, SIZE)


def test_undecodable_tile_of_a_large_image_is_an_error(large: Path) -> None:
    """GDAL's own threads would drop this error and leave the tile as it came out of memory."""
    content = bytearray(large.read_bytes())
    parts = [match.start() for match in re.finditer(rb"\xff\x90\x00\x0a", content)]
    assert len(parts) >= 8
    start = parts[5]
    content[start + 12 : start + 14] = b"\xff\x52"  # a coding style segment of absurd length where the data begin
    content[start + 14 : start + 16] = b"\xff\xff"
    with pytest.raises(InvalidProductError, match="x: cannot be decoded"):
        decode(bytes(content), "B04", "x")


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Files with byte ranges, as object stores serve them."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if "broken" in path.name:
            self.send_error(503)
        elif not path.is_file():
            self.send_error(404)
        else:
            content = path.read_bytes()
            first, last = re.findall(r"\d+", self.headers.get("Range", f"bytes=0-{len(content) - 1}"))
            part = content[int(first) : int(last) + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(part)

    def do_HEAD(self) -> None:
        path = Path(self.translate_path(self.path))
        self.send_response(503 if "broken" in path.name else 200 if path.is_file() else 404)
        self.send_header("Content-Length", str(path.stat().st_size if path.is_file() else 0))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, large: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    write(folder / "B04.tif", pixels[:366, :366], driver="GTiff", tiled=True)
    (folder / "B03.jp2").write_bytes(large.read_bytes())
    (folder / "B02.tif").write_text(f'<VRTDataset rasterXSize="1" rasterYSize="1"><x>{folder}</x></VRTDataset>')
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: RangeHandler(*args, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def item(shared_data: Path, tmp_path: Path) -> Path:
    name = "S2A_33TWM_20230815_0_L2A"
    path = tmp_path / f"{name}.json"
    path.write_bytes((shared_data / "earth-search" / "33TWM" / name / f"{name}.json").read_bytes())
    return path


def point(item: Path, **hrefs: str) -> str:
    document = json.loads(item.read_text())
    for key, href in hrefs.items():
        document["assets"][key]["href"] = href
    item.write_text(json.dumps(document))
    return str(item)


def test_remote_images_are_read(item: Path, address: str, pixels: np.ndarray) -> None:
    source = point(item, red=f"{address}/B04.tif", green=f"{address}/B03.jp2")
    product = open_product(source, assets=frozenset({"B04", "B03"}))
    np.testing.assert_array_equal(product.read("B04").pixels, pixels[:366, :366])
    np.testing.assert_array_equal(product.read("B03").pixels, pixels)


def test_remote_image_that_is_not_there_is_missing(item: Path, address: str) -> None:
    source = point(item, red=f"{address}/B04.tif", green=f"{address}/none.tif")
    with pytest.raises(MissingImageError, match=r"1 images missing: B03; .*none\.tif: .*404"):
        open_product(source, assets=frozenset({"B04", "B03"}))


def test_remote_image_of_a_failing_server_is_worth_another_try(item: Path, address: str) -> None:
    source = point(item, green=f"{address}/broken.tif")
    with pytest.raises(StoreError, match=r"1 images missing: B03"):
        open_product(source, assets=frozenset({"B03"}))


def test_remote_file_of_another_format_is_not_opened(item: Path, address: str) -> None:
    source = point(item, blue=f"{address}/B02.tif")
    with pytest.raises(MissingImageError, match="not recognized as being in a supported file format"):
        open_product(source, assets=frozenset({"B02"}))
