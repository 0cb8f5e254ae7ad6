"""Whether the files of a product are still those of an earlier attempt, told without reading them."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def inventory(source: str) -> str | None:
    """SHA-256 over names, sizes and times of change of a product's files.

    None where that would not tell all: the images of an Earth Search item or of an archive lie elsewhere.
    """
    path = Path(source)
    if path.suffix.lower() in (".json", ".geojson") or not path.exists():
        return None
    digest = hashlib.sha256()
    for name, stat in sorted(_files(path)):
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for file in (Path(folder, name) for name in names):
                yield str(file.relative_to(path)), file.stat(follow_symlinks=False)
    else:
        yield "", path.stat()
