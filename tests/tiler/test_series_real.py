"""Five real dates of tile 33TWM: the series equals numpy on the same pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from fastapi.testclient import TestClient
from pyproj import Transformer
from rasterio.crs import CRS

from ingest.pipeline import ingest_product
from stac.settings import Settings
from tiler.app import create_app, use_store

ASSETS = frozenset({"B02", "B03", "B04", "B08", "SCL"})
CLOUDS = (0, 1, 3, 8, 9, 10)
LOSSY = (12, 13)  # classes that Sen2Cor does not know: this copy of SCL is lossy


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Digital numbers of a date, read by rasterio, and the place of its pixels."""

    day: str
    images: dict[str, np.ndarray]
    crs: CRS
    transform: Affine

    def corner(self, row: float, column: float) -> tuple[float, float]:
        """Longitude and latitude of a pixel's upper left corner, or of its centre with halves."""
        x, y = self.transform.a * column + self.transform.c, self.transform.e * row + self.transform.f
        return Transformer.from_crs(self.crs, 4326, always_xy=True).transform(x, y)


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> list[Scene]:
    folders = sorted((shared_data / "earth-search" / "33TWM").iterdir(), key=lambda folder: folder.name.split("_")[2])
    assert len(folders) == 5
    return [read(folder) for folder in folders]


def read(folder: Path) -> Scene:
    images = {}
    for name in sorted(ASSETS):
        with rasterio.open(folder / f"{name}.tif") as dataset:
            images[name] = dataset.read(1)
            crs, transform = dataset.crs, dataset.transform
    day = folder.name.split("_")[2]
    return Scene(day=f"{day[:4]}-{day[4:6]}-{day[6:]}", images=images, crs=crs, transform=transform)


@pytest.fixture(scope="module")
def client(scenes: list[Scene], shared_data: Path, settings: Settings) -> Iterator[TestClient]:
    """The service; it comes after `scenes`, because its environment for remote files hides the local side-car files."""
    for source in sorted((shared_data / "earth-search" / "33TWM").glob("*/*_L2A.json")):
        outcome = ingest_product(str(source), settings=settings, assets=ASSETS)
        assert outcome.state == "published", outcome
    assert len(scenes) == 5
    use_store(settings)
    with TestClient(create_app(settings)) as running:
        yield running


def point_series(client: TestClient, scene: Scene, row: int, column: int, **query: str) -> dict:
    lon, lat = scene.corner(row + 0.5, column + 0.5)
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon:.8f},{lat:.8f}.json"
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize(("row", "column"), [(450, 450), (120, 700), (800, 300), (333, 612), (700, 860)])
@pytest.mark.parametrize("index", ["NDVI", "NDWIMCF"])
def test_a_point_equals_numpy_on_the_same_pixels(
    client: TestClient, scenes: list[Scene], row: int, column: int, index: str
) -> None:
    first, second = {"NDVI": ("B08", "B04"), "NDWIMCF": ("B03", "B08")}[index]
    data = point_series(client, scenes[0], row, column, index=index)
    found = zip(data["datetime"], data["mean"], data["status"], strict=True)
    rows = {moment[:10]: (mean, status) for moment, mean, status in found}
    assert sorted(rows) == [scene.day for scene in scenes]
    for scene in scenes:
        mean, status = rows[scene.day]
        a, b, kind = (int(scene.images[name][row, column]) for name in (first, second, "SCL"))
        if 0 in (a, b):
            assert (mean, status) == (None, "nodata")
        elif kind in CLOUDS + LOSSY:
            assert (mean, status) == (None, "masked")
        else:
            # The source has applied the offset already: a second time would make red negative and NDVI exceed 1.
            assert status == "ok"
            assert mean == pytest.approx((a - b) / (a + b), abs=0.00005 + 1e-9)


def test_a_mask_that_cannot_be_had_is_said_so(client: TestClient, scenes: list[Scene]) -> None:
    data = point_series(client, scenes[0], 450, 450, mask="cm001")
    assert set(data["status"]) == {"no_mask"}
    assert all(data["reason"])
    assert data["mean"] == [None] * 5


def test_the_mean_of_a_field_equals_numpy(client: TestClient, scenes: list[Scene]) -> None:
    rows, columns = slice(440, 455), slice(440, 460)
    corners = ((440, 440), (440, 460), (455, 460), (455, 440), (440, 440))
    ring = [list(scenes[0].corner(*corner)) for corner in corners]
    body = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    answer = client.post("/collections/sentinel-2-indices/timeseries/statistics", json=body, params={"mask": "none"})
    data = answer.json()["data"]
    means = {moment[:10]: mean for moment, mean in zip(data["datetime"], data["mean"], strict=True)}
    for scene in scenes:
        red, nir = (scene.images[name][rows, columns].astype(float) for name in ("B04", "B08"))
        valid = (red > 0) & (nir > 0)
        expected = ((nir - red) / (nir + red))[valid].mean() if valid.any() else None
        assert means[scene.day] == pytest.approx(expected, abs=2e-4)
