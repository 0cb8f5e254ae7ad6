"""Find the products among files and folders; what only looks like a product is found too, so that it gets a verdict."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ingest.errors import IngestError
from ingest.products.archive import is_long_named_metadata, is_product_metadata
from ingest.products.earth_search_item import is_item
from ingest.products.long_names import granule_addresses, is_long_named_folder, split_address

_DEPTH_LIMIT = 12
_ITEM_LIMIT = 4 * 1024**2
_UNFINISHED = (".part", ".tmp", ".partial", ".incomplete", ".crdownload")
_NAMED_LIKE_A_PRODUCT = re.compile(r"S2[A-D]_MSI(L1C|L2A)_\d{8}T\d{6}_\w+(\.SAFE)?(\.zip)?", re.IGNORECASE)


def find_products(paths: Iterable[str]) -> list[str]:
    """SAFE folders, zips and Earth Search items at or below `paths`, sorted, each once.

    Of a product under long names its granules' addresses: each is a product. A file that is named itself is always in
    the list. Products are not searched for products; hidden files and unfinished downloads are passed over; a folder
    that may not be read is in the list, so that it is refused by name.
    Raises `IngestError` for a path that does not exist.
    """
    found = set[str]()
    for text in paths:
        path = Path(text)
        if split_address(text):
            found.add(str(path))
        elif not path.exists():
            raise IngestError(f"{text}: there is no such file or folder")
        else:
            places = [path] if path.is_file() else _search(path, 0, set())
            found.update(chain.from_iterable(map(_products_in, places)))
    return sorted(found)


def _products_in(place: Path) -> list[str]:
    """The place itself, or the granules of a product under long names; only zips named otherwise are looked into."""
    unknown = place.suffix.lower() == ".zip" and not _NAMED_LIKE_A_PRODUCT.fullmatch(place.name)
    if (place.is_file() and unknown) or is_long_named_folder(place):
        return granule_addresses(place) or [str(place)]
    return [str(place)]


def _search(folder: Path, depth: int, visited: set[Path]) -> Iterator[Path]:
    identity = folder.resolve()
    if identity in visited or depth > _DEPTH_LIMIT:
        return
    visited.add(identity)
    try:
        children = sorted(child for child in folder.iterdir() if not _ignored(child))
    except PermissionError:
        yield folder  # it gets its verdict when it is opened, and does not hide the others
        return
    if _is_product_folder(folder, {child.name for child in children}):
        yield folder
        return
    for child in children:
        if child.is_dir():
            yield from _search(child, depth + 1, visited)
        elif child.is_file() and _is_product_file(child):
            yield child


def _ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower().endswith(_UNFINISHED)


def _is_product_folder(folder: Path, names: set[str]) -> bool:
    """Whether a folder is, or means to be, a product: by its suffix or by what it holds (SAFE or AWS layout)."""
    return (
        folder.suffix.upper() == ".SAFE"
        or any(is_product_metadata(name) or is_long_named_metadata(name) for name in names)
        or {"GRANULE", "DATASTRIP"} <= names
        or {"metadata.xml", "tileInfo.json"} <= names
    )


def _is_product_file(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".json", ".geojson"):
        return _is_item_file(path)
    return suffix == ".zip" or _NAMED_LIKE_A_PRODUCT.fullmatch(path.name) is not None


def _is_item_file(path: Path) -> bool:
    if path.stat().st_size > _ITEM_LIMIT:
        return False
    try:
        return is_item(json.loads(path.read_bytes()))
    except (ValueError, RecursionError):
        return False
