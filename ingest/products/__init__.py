"""Readers of Sentinel-2 products, whatever their format, behind the protocol `Product`."""

from pathlib import Path
from typing import Literal

from ingest.errors import InvalidProductError
from ingest.products.archive import open_archive
from ingest.products.aws import is_aws_folder, open_aws
from ingest.products.base import Document, Product, Raster
from ingest.products.earth_search import open_earth_search
from ingest.products.long_names import is_long_named, open_granule, read_only_granule, split_address
from ingest.products.safe import read_safe
from ingest.products.sen2chain import is_address, open_sen2chain

__all__ = ["Document", "Product", "Raster", "open_product"]


def open_product(
    source: str, *, kind: Literal["auto", "safe", "earth-search"] = "auto", assets: frozenset[str] | None = None
) -> Product:
    """Open a product and check its inventory; the content decides the format, not the extension.

    `source` is a SAFE folder or zip, a granule in one under long names (`ingest.products.long_names`), a tile's folder
    as AWS keeps it, an Earth Search item (JSON) with its images beside it or remote, or the address of a product in a
    Sen2Chain archive (`ingest.products.sen2chain`). `assets` restricts the images that must be there and are offered.
    Nothing stays open: there is nothing to close.

    Raises `InvalidProductError` where the product is broken or no Sentinel-2 product, `MissingImageError` where it is
    incomplete, `StoreError` where a remote image cannot be reached now.
    """
    if is_address(source):
        return open_sen2chain(source, assets)
    if kind != "earth-search" and (granule := split_address(source)):
        return open_granule(*granule, assets)
    path = Path(source)
    if not path.exists():
        raise InvalidProductError(f"{source}: there is no such file or folder")
    if kind in ("auto", "safe") and is_aws_folder(path):
        return open_aws(path, assets)
    if (kind if kind != "auto" else _kind(path)) == "safe":
        archive = open_archive(path)
        return read_only_granule(archive, assets) if is_long_named(archive) else read_safe(archive, assets)
    return open_earth_search(path, assets)


def _kind(path: Path) -> Literal["safe", "earth-search"]:
    if path.is_dir():
        return "safe"
    with path.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"PK"):
        return "safe"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "earth-search"
    what = "an empty file" if not start else f"it begins with {start[:8].hex(' ')}"
    raise InvalidProductError(f"{path}: neither a SAFE folder or zip nor an Earth Search item: {what}")
