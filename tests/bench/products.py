"""Products to measure with, made once and kept in `.local/bench`."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio

from ingest.sample import ProductSpec, product_path, write_product
from ingest.sample.images import write_jp2
from ingest.sample.manifest import data_objects, digest_of, manifest

CACHE = Path(__file__).resolve().parents[2] / ".local" / "bench"

_TEXTURE = {"uint16": 30.0, "uint8": 2.0}
"""Standard deviation, in digital numbers, of the noise added to bands and to the true colour image.

The sample landscape is smoother than the Earth: lossless, its 10 m bands take 1.6 bits per pixel, a real product's
about 7 (a real B01: 10). Decoding costs by the bit, so that without texture the decoder would look far too quick.
"""


def full_size_product(size: int = 10980) -> Path:
    """A whole L2A product of Sentinel-2's real size (or `size` pixels per side), a third of it cloud; takes minutes."""
    spec = ProductSpec(sensing=datetime(2026, 2, 9, 3, 11, 21, 24_000, tzinfo=UTC), size=size, cloudiness=0.3)
    final = CACHE / f"product-{size}"
    draft = CACHE / f"draft-{size}"
    if not final.exists():
        draft.mkdir(parents=True, exist_ok=True)
        with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
            for image in sorted(write_product(spec, draft).glob("GRANULE/*/IMG_DATA/*/*.jp2")):
                if re.search(r"_(B\w\w|TCI)_\d\dm", image.name):
                    _roughen(image)
        _seal(spec, product_path(spec, draft))
        draft.rename(final)
    return product_path(spec, final)


def _seal(spec: ProductSpec, product: Path) -> None:
    """Write the manifest anew, so that images are compared with their checksums as those of a real product are."""
    (product / "manifest.safe").write_bytes(manifest(spec, data_objects(product, digest_of(spec))))


def _roughen(image: Path) -> None:
    with rasterio.open(image) as dataset:
        pixels, epsg, transform = dataset.read(), dataset.crs.to_epsg(), dataset.transform
    random = np.random.default_rng(len(image.name))
    deviation = np.float32(_TEXTURE[pixels.dtype.name])
    highest = np.iinfo(pixels.dtype).max - 1
    for row in pixels.reshape(-1, pixels.shape[-1]):
        noise = deviation * random.standard_normal(row.shape, np.float32)
        row[:] = np.where(row == 0, 0, np.clip(np.rint(row + noise), 1, highest))
    write_jp2(image, pixels, epsg=epsg, transform=transform)
