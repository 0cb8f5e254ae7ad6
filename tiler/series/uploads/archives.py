"""The files within an upload: a zip is opened in memory, within limits, and nothing in it is trusted."""

import io
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.uploads.layers import UploadLimits

ZIP_SIGNS = (b"PK\x03\x04", b"PK\x05\x06")
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_ENCRYPTED = 0x1
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def unpack(files: Mapping[str, bytes], limits: UploadLimits) -> dict[str, bytes]:
    """The files by name, those of zips in place of the zips; raises `SeriesRequestError`, or `SeriesTooLargeError`."""
    found: dict[str, bytes] = {}
    for name, content in files.items():
        inside = unzip(content, limits) if content.startswith(ZIP_SIGNS) else {name: content}
        twins = sorted(set(found) & set(inside))
        if twins:
            raise SeriesRequestError(f"two files are called {twins[0]!r}: send one layer")
        found |= inside
    return found


def unzip(content: bytes, limits: UploadLimits) -> dict[str, bytes]:
    """The files of a zip, by name; none is written anywhere."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not (entry.is_dir() or _is_litter(entry.filename))]
            _check(entries, limits)
            return _read(archive, entries, limits)
    except SeriesRequestError:
        raise
    except _BROKEN as error:
        raise SeriesRequestError(f"the zip is broken ({str(error)[:100]}): make it again") from error


def _check(entries: list[zipfile.ZipInfo], limits: UploadLimits) -> None:
    if len(entries) > limits.members:
        raise SeriesTooLargeError(f"the zip holds {len(entries)} files: at most {limits.members}, send one layer only")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or any(sign in entry.filename for sign in "\\:\0"):
            raise SeriesRequestError(f"the zip holds the path {entry.filename[:80]!r}, which leads out of it: refused")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise SeriesRequestError(f"{entry.filename[:80]!r} in the zip is a link: refused")
        if entry.flag_bits & _ENCRYPTED:
            raise SeriesRequestError(f"{entry.filename[:80]!r} in the zip is encrypted: send it without a password")
    size = sum(entry.file_size for entry in entries)
    if size > limits.unpacked_bytes:
        raise SeriesTooLargeError(
            f"the zip unpacks to {size} bytes: at most {limits.unpacked_bytes}, send fewer features"
        )


def _read(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: UploadLimits) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = limits.unpacked_bytes
    for entry in entries:
        with archive.open(entry) as source:
            # A zip may lie about sizes: only so much is read.
            content = source.read(left + 1)
        left -= len(content)
        if left < 0:
            raise SeriesTooLargeError(f"the zip unpacks to more than {limits.unpacked_bytes} bytes: refused")
        if content.startswith(ZIP_SIGNS):
            raise SeriesRequestError(f"the zip holds another zip, {entry.filename[:80]!r}: unpack it first")
        name = PurePosixPath(entry.filename).name
        if name in found:
            raise SeriesRequestError(f"the zip holds two files called {name[:80]!r}: send one layer")
        found[name] = content
    return found


def _is_litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[0] in _LITTER or parts[-1] in _LITTER)
