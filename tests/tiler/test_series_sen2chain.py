"""The real Sen2Chain archive, imported: values, masks and series are those of its files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fastapi.testclient import TestClient
from pyproj import Transformer

from ingest.pipeline import ingest_product
from ingest.sen2chain_import import plan_import
from stac.settings import Settings
from tiler.app import create_app, use_store

POINTS = [(450, 450), (120, 700), (800, 300), (333, 612), (700, 860)]


@dataclass(frozen=True, kw_only=True)
class Original:
    """A product's files, read by rasterio before the service changes GDAL's environment."""

    name: str
    images: dict[str, np.ndarray]
    place: dict[tuple[int, int], tuple[float, float]]

    @property
    def day(self) -> str:
        text = self.name.split("_")[2]
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}"


@pytest.fixture(scope="module")
def originals(shared_data: Path) -> list[Original]:
    root = shared_data / "sen2chain-archive"
    return [original(root, folder.name) for folder in sorted((root / "INDICES" / "NDVI" / "33TWM").iterdir())]


def original(root: Path, name: str) -> Original:
    masks = root / "CLOUDMASKS" / "33TWM" / name
    files = {index: root / "INDICES" / index / "33TWM" / name / f"{name}_{index}.jp2" for index in ("NDVI", "NDWIMCF")}
    files |= {
        "cm001": masks / f"{name}_CM001.jp2",
        "cm004": masks / f"{name}_CM004-CSH1-CMP1-CHP1-TCI1-ITER1.jp2",
        "CLDPRB": masks / "MSK_CLDPRB_20m.jp2",
    }
    images = {}
    for key, path in files.items():
        with rasterio.open(path) as dataset:
            images[key] = dataset.read(1)
            to_degrees = Transformer.from_crs(dataset.crs, 4326, always_xy=True)
            place = {point: to_degrees.transform(*dataset.xy(*point)) for point in POINTS}
    return Original(name=name, images=images, place=place)


@pytest.fixture(scope="module")
def client(originals: list[Original], shared_data: Path, settings: Settings) -> Iterator[TestClient]:
    assert len(originals) == 3
    plan = plan_import(shared_data / "sen2chain-archive")
    assert (len(plan.scenes), len(plan.indices), len(plan.skipped)) == (0, 3, 36)
    for address in plan.indices:
        outcome = ingest_product(address, settings=settings)
        assert outcome.state == "published", outcome
    use_store(settings)
    with TestClient(create_app(settings)) as running:
        yield running


def stored(client: TestClient, settings: Settings, name: str, asset: str) -> np.ndarray:
    item = client.get(f"/collections/sentinel-2-indices/items/{name}/info", params={"assets": asset})
    assert item.status_code == 200, item.text
    from stac import catalog

    found = catalog.get_item(settings, "sentinel-2-indices", name)
    with rasterio.open(f"/vsis3/{found['assets'][asset]['alternate']['s3']['href'].removeprefix('s3://')}") as dataset:
        return dataset.read(1)


def test_values_equal_the_decoded_files(client: TestClient, settings: Settings, originals: list[Original]) -> None:
    for each in originals:
        for index in ("NDVI", "NDWIMCF"):
            mine, theirs = stored(client, settings, each.name, index), each.images[index]
            known = (theirs != 16383) & (np.abs(theirs) <= 10_000)  # beyond: noise of the lossy files
            assert np.array_equal(mine[known], theirs[known])
            assert (mine[~known] == -32768).all()
            assert known.mean() > 0.88


def test_the_mask_equals_the_archive_s_masks(client: TestClient, settings: Settings, originals: list[Original]) -> None:
    for each in originals:
        mask = stored(client, settings, each.name, "MASK")
        # CM001 was not taken from its file but made anew from the cloud probability: it is the same, bit for bit.
        assert np.array_equal(mask >> 4 & 1, each.images["cm001"])
        assert np.array_equal(mask >> 7 & 1, each.images["cm004"])
        probability = each.images["CLDPRB"]
        assert np.array_equal(mask >> 8 & 127, np.where(probability > 100, 127, probability))


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("mask", ["none", "cm001", "cm004"])
@pytest.mark.parametrize("index", ["NDVI", "NDWIMCF"])
def test_a_series_is_that_of_the_files(
    client: TestClient, originals: list[Original], point: tuple[int, int], mask: str, index: str
) -> None:
    lon, lat = originals[0].place[point]
    path = f"/collections/sentinel-2-indices/timeseries/point/{lon:.8f},{lat:.8f}.json"
    answer = client.get(path, params={"index": index, "mask": mask})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    rows = {
        day[:10]: (mean, status)
        for day, mean, status in zip(data["datetime"], data["mean"], data["status"], strict=True)
    }
    assert set(rows) == {each.day for each in originals}
    for each in originals:
        value = int(each.images[index][point])
        if value == 16383 or abs(value) > 10_000:
            assert rows[each.day] == (None, "nodata")
        elif mask != "none" and each.images[mask][point]:
            assert rows[each.day] == (None, "masked")
        else:
            assert rows[each.day] == (pytest.approx(value / 10_000, abs=1e-9), "ok")


def test_a_scene_class_mask_cannot_be_had(client: TestClient, originals: list[Original]) -> None:
    lon, lat = originals[0].place[POINTS[0]]
    data = client.get(f"/collections/sentinel-2-indices/timeseries/point/{lon:.8f},{lat:.8f}.json").json()["data"]
    assert set(data["status"]) == {"no_mask"}
