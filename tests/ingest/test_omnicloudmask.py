"""The bit of OmniCloudMask. The library needs PyTorch and weights from the internet: a module of its form stands in."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pydantic import SecretStr

from ingest.convert import convert
from ingest.derivation import derive_product
from ingest.errors import IngestError
from ingest.omnicloudmask import BANDS, CloudModel, cloud_model
from ingest.pipeline import ingest_product
from ingest.products.safe import SafeProduct, open_safe
from ingest.sample import ProductSpec, expected, write_product
from stac import catalog
from stac.collections import INDICES, L2A
from stac.masks import FIELDS, PROFILES
from stac.resample import repeat
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=192, cloudiness=0.4)
PREFIXES = {"scene": "scene/x", "indices": "indices/x"}
STAND_IN = '''
"""Thin cloud where red is bright, shadow where near infrared is dark; nodata is clear, as the library's is."""
import numpy as np

__version__ = "1.8.1"


def predict_from_array(input_array, no_data_value=0):
    assert input_array.dtype == np.float32 and input_array.ndim == 3 and len(input_array) == 3
    red, green, nir = input_array
    classes = np.select([red > 2600, nir < 2000], [2, 3], 0).astype(np.uint8)
    classes[(input_array == no_data_value).any(axis=0)] = 0
    return classes[np.newaxis]
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "omnicloudmask.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    yield
    sys.modules.pop("omnicloudmask", None)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(SPEC, tmp_path_factory.mktemp("product"))


def wanted() -> np.ndarray:
    """What the stand-in masks, on the 10 m grid, from the generator's own pixels."""
    red, nir = (expected(SPEC, name).astype(float) for name in ("B04", "B8A"))
    red = red.reshape(96, 2, 96, 2).mean(axis=(1, 3))
    masked = ((red > 2600) | (nir < 2000)) & (expected(SPEC, "SCL") != 0)
    return repeat(masked)


def plain(**changes: bool) -> Settings:
    return Settings(aws_secret_access_key=SecretStr("for-tests-only"), **changes)


@pytest.mark.usefixtures("library")
def test_the_mask_gains_a_bit_and_keeps_the_others(safe: Path, tmp_path: Path) -> None:
    model = cloud_model(plain(ingest_omnicloudmask=True))
    assert isinstance(model, CloudModel)
    pixels, fields = {}, {}
    for name, used in (("with", model), ("without", None)):
        folder = tmp_path / name
        folder.mkdir()
        conversion = convert(open_safe(safe), folder, PREFIXES, lambda _: None, used)
        (mask,) = [one for one in conversion.indices if one.asset.name == "MASK"]
        fields[name] = mask.asset.mask_fields
        with rasterio.open(mask.file.path) as dataset:
            pixels[name] = dataset.read(1)
    assert np.array_equal(pixels["with"] & 0x7FFF, pixels["without"])
    assert (pixels["without"] >> 15 == 0).all()
    found = PROFILES["ocm"].masked(pixels["with"])
    assert np.array_equal(found, wanted())
    assert 0 < found.mean() < 1
    assert set(fields["with"]) - set(fields["without"]) == {"ocm"}


@pytest.mark.usefixtures("library")
def test_items_tell_the_bit_and_the_version_that_made_it(safe: Path, settings: Settings) -> None:
    asking = settings.model_copy(update={"ingest_omnicloudmask": True})
    assert ingest_product(str(safe), settings=asking).state == "published"
    scene, indices = (catalog.get_item(settings, collection, SPEC.name) for collection in (L2A, INDICES))
    assert scene is not None
    assert indices is not None
    held = [field["name"] for field in indices["assets"]["MASK"]["classification:bitfields"]]
    assert held == list(FIELDS)
    assert indices["properties"]["processing:software"]["omnicloudmask"] == "1.8.1"
    assert "omnicloudmask" not in scene["properties"].get("processing:software", {})
    catalog.remove([(INDICES, SPEC.name)], settings)
    assert derive_product(SPEC.name, settings=asking).state == "published"
    assert catalog.get_item(settings, INDICES, SPEC.name)["assets"] == indices["assets"]  # type: ignore[index]


def test_without_the_library_the_product_waits_and_says_what_to_install(safe: Path, settings: Settings) -> None:
    asking = settings.model_copy(update={"ingest_omnicloudmask": True})
    outcome = ingest_product(str(safe), settings=asking, again="always")
    assert outcome.state == "failed"
    assert "pip install 'sen2extract[omnicloudmask]'" in (outcome.reason or "")
    with pytest.raises(IngestError, match="not installed"):
        cloud_model(asking)


def test_unasked_it_is_not_used() -> None:
    assert cloud_model(plain()) is None


@pytest.mark.usefixtures("library")
def test_without_its_bands_the_mask_is_made_without_it(safe: Path, tmp_path: Path) -> None:
    images = open_safe(safe).images
    some = {name: images[name] for name in images if name not in BANDS or name == "B04"}
    product = SafeProduct(**{**vars(open_safe(safe)), "images": some})
    conversion = convert(product, tmp_path, PREFIXES, lambda _: None, cloud_model(plain(ingest_omnicloudmask=True)))
    (mask,) = [one for one in conversion.indices if one.asset.name == "MASK"]
    assert "ocm" not in mask.asset.mask_fields
