"""Whether the files of a product are still those of an earlier attempt, told without reading them."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ingest.products.long_names import split_address


def inventory(source: str) -> str | None:
    """SHA-256 over names, sizes and times of change of a product's files.

    None where that would not tell all: the images of an Earth Search item or of an archive lie elsewhere.
    """
    if granule := split_address(source):
        return _digest(_granule_files(*granule))
    path = Path(source)
    if path.suffix.lower() in (".json", ".geojson") or not path.exists():
        return None
    return _digest(_files(path))


def _digest(files: Iterable[tuple[str, os.stat_result]]) -> str:
    digest = hashlib.sha256()
    for name, stat in sorted(files):
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for file in (Path(folder, name) for name in names):
                yield str(file.relative_to(path)), file.stat(follow_symlinks=False)
    else:
        yield "", path.stat()


def _granule_files(product: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files of a granule and the product's own, not those of its other granules; of a zip, the zip."""
    if not product.is_dir():
        return _files(product)
    own = ((file.name, file.stat()) for file in product.iterdir() if file.is_file())
    return chain(own, _files(product / "GRANULE" / folder)) if (product / "GRANULE" / folder).is_dir() else own
