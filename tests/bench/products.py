"""Products to measure with, made once and kept in `.local/bench`."""

from datetime import UTC, datetime
from pathlib import Path

import rasterio

from ingest.sample import ProductSpec, write_product

CACHE = Path(__file__).resolve().parents[2] / ".local" / "bench"


def full_size_product(size: int = 10980) -> Path:
    """A whole L2A product of Sentinel-2's real size (or `size` pixels per side), a third of it cloud; takes minutes."""
    spec = ProductSpec(sensing=datetime(2026, 2, 9, 3, 11, 21, 24_000, tzinfo=UTC), size=size, cloudiness=0.3)
    folder = CACHE / f"product-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
        return write_product(spec, folder)
