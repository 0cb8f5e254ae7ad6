"""Sample products: genuine SAFE trees whose every pixel is known, for demonstrations and tests."""

from ingest.sample.archive import Order, demo_archive, demo_orders
from ingest.sample.grid import TileGrid
from ingest.sample.long_names import granule_folder, write_long_product
from ingest.sample.pixels import cloud_probability, expected, image, reflectance, scl, valid_mask
from ingest.sample.product import product_path, write_product
from ingest.sample.spec import ProductSpec, swath_through

__all__ = [
    "Order",
    "ProductSpec",
    "TileGrid",
    "cloud_probability",
    "demo_archive",
    "demo_orders",
    "expected",
    "granule_folder",
    "image",
    "product_path",
    "reflectance",
    "scl",
    "swath_through",
    "valid_mask",
    "write_long_product",
    "write_product",
]
