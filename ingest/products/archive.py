"""The files of a product, in a folder or in a zip that is read in place: names, sizes, contents.

A zip is hostile until checked: no entry may leave its folder, claim an absurd size or ratio, be encrypted, be a link or
come twice. Contents are taken through `zipfile`, which compares each entry's CRC, and are never written to disk.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ingest.errors import InvalidProductError

_FILE_LIMIT = 2 * 1024**3
_TOTAL_LIMIT = 32 * 1024**3
_COUNT_LIMIT = 20_000
_RATIO_LIMIT = 200
_RATIO_FROM = 1024**2
"""Entries below this size may have any ratio: they harm nobody."""

_PRODUCT_METADATA = re.compile(r"MTD_MSI(L1C|L2A)\.xml", re.IGNORECASE)
_LONG_NAMED_METADATA = re.compile(r"S2[A-D]_(OPER|USER)_MTD_SAFL(1C|2A)_\w+\.xml")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of a product: `size` in bytes; `crc` is known in a zip."""

    size: int
    crc: int | None = None


class Archive(Protocol):
    """The files of one product, by their path relative to the product's folder."""

    @property
    def name(self) -> str:
        """Name of the product's folder, or of the zip where that holds no folder."""
        ...

    @property
    def source(self) -> str:
        """Where the product lies, for messages."""
        ...

    @property
    def members(self) -> Mapping[str, Member]:
        """The files, sorted by name."""
        ...

    def read(self, member: str) -> bytes:
        """Content of a file; raises `InvalidProductError` where it is damaged."""
        ...

    def payload(self, member: str) -> Path | bytes:
        """A file for the image decoder: its path, or its content where it has none."""
        ...


@dataclass(frozen=True, kw_only=True)
class FolderArchive:
    """A product unpacked on disk."""

    root: Path
    members: Mapping[str, Member]

    @property
    def name(self) -> str:
        """Name of the product's folder."""
        return self.root.name

    @property
    def source(self) -> str:
        """The folder."""
        return str(self.root)

    def read(self, member: str) -> bytes:
        """Content of a file."""
        return self.payload(member).read_bytes()

    def payload(self, member: str) -> Path:
        """Path of a file."""
        return self.root / member


@dataclass(frozen=True, kw_only=True)
class ZipArchive:
    """A product in a zip, below the entry `prefix`."""

    path: Path
    prefix: str
    members: Mapping[str, Member]

    @property
    def name(self) -> str:
        """Name of the product's folder, or of the zip where that holds no folder."""
        return PurePosixPath(self.prefix).name or self.path.name

    @property
    def source(self) -> str:
        """The zip."""
        return str(self.path)

    def read(self, member: str) -> bytes:
        """Content of an entry, compared with its CRC."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.prefix + member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise InvalidProductError(
                f"{self.path}: entry {member} is damaged: {error}; fetch the zip again"
            ) from error

    def payload(self, member: str) -> bytes:
        """Content of an entry."""
        return self.read(member)


def open_archive(path: Path) -> FolderArchive | ZipArchive:
    """List a product's files, be it a folder or a zip; raises `InvalidProductError`."""
    return open_folder(path) if path.is_dir() else open_zip(path)


def open_folder(root: Path) -> FolderArchive:
    """List a folder's files; links to folders are not followed, hidden files are left out."""
    walk = root.walk(on_error=_refuse_unreadable)
    paths = sorted(path for folder, _, names in walk for name in names if (path := folder / name).is_file())
    if len(paths) > _COUNT_LIMIT:
        raise InvalidProductError(f"{root}: {len(paths)} files, more than any product")
    members = {
        path.relative_to(root).as_posix(): Member(size=path.stat().st_size)
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    return FolderArchive(root=root.absolute(), members=members)


def _refuse_unreadable(error: OSError) -> None:
    raise InvalidProductError(
        f"{error.filename}: cannot be read: {error.strerror}; give this user the right"
    ) from error


def open_zip(path: Path) -> ZipArchive:
    """Check a zip's entries and find the product in it; raises `InvalidProductError` naming the entry and its fault."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise InvalidProductError(f"{path}: no whole zip file: {error}; fetch it again") from error
    _check_entries(path, entries)
    files = {entry.filename: entry for entry in entries if not entry.is_dir()}
    prefix = _product_prefix(path, files)
    members = {
        name.removeprefix(prefix): Member(size=entry.file_size, crc=entry.CRC)
        for name, entry in sorted(files.items())
        if name.startswith(prefix)
    }
    return ZipArchive(path=path.absolute(), prefix=prefix, members=members)


def product_metadata(archive: Archive) -> str:
    """Name of the product-level metadata file; raises `InvalidProductError` where there is not exactly one."""
    found = [name for name in archive.members if is_product_metadata(name)]
    if len(found) != 1:
        raise InvalidProductError(
            f"{archive.source}: {'several product metadata files: ' + ', '.join(found) if found else 'no'} "
            "MTD_MSIL1C.xml or MTD_MSIL2A.xml at its top (nor S2?_OPER_MTD_SAFL1C_*.xml, as in products of 2015-16); "
            "give the product's own folder or zip"
        )
    return found[0]


def is_product_metadata(name: str) -> bool:
    """Whether a file name is that of product-level metadata."""
    return _PRODUCT_METADATA.fullmatch(name) is not None


def is_long_named_metadata(name: str) -> bool:
    """Whether a file name is that of product-level metadata under the long names of 2015-16."""
    return _LONG_NAMED_METADATA.fullmatch(name) is not None


def _product_prefix(path: Path, files: Mapping[str, zipfile.ZipInfo]) -> str:
    found = [name for name in files if _is_any_metadata(PurePosixPath(name).name)]
    if not found:
        raise InvalidProductError(f"{path}: no MTD_MSIL1C.xml or MTD_MSIL2A.xml in the zip: no Sentinel-2 product")
    depth = min(name.count("/") for name in found)
    prefixes = sorted(
        {name[: name.rindex("/") + 1] if "/" in name else "" for name in found if name.count("/") == depth}
    )
    if len(prefixes) > 1:
        raise InvalidProductError(f"{path}: several products in one zip: {', '.join(prefixes)}; give one zip each")
    return prefixes[0]


def _is_any_metadata(name: str) -> bool:
    return is_product_metadata(name) or is_long_named_metadata(name)


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _COUNT_LIMIT:
        raise InvalidProductError(f"{path}: {len(entries)} entries, more than any product")
    size = path.stat().st_size
    seen = set[str]()
    for entry in entries:
        fault = _entry_fault(entry, size) or ("it comes twice" if entry.filename in seen else None)
        if fault:
            raise InvalidProductError(f"{path}: entry {entry.filename!r}: {fault}")
        seen.add(entry.filename)
    total, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if total > _TOTAL_LIMIT or packed > size:
        raise InvalidProductError(f"{path}: its entries claim {total} bytes from {packed} in a file of {size}")


def _entry_fault(entry: zipfile.ZipInfo, size: int) -> str | None:
    """What is wrong with an entry of a zip of `size` bytes, if anything is."""
    bomb = entry.file_size > _RATIO_FROM and entry.file_size > _RATIO_LIMIT * entry.compress_size
    faults = {
        "its path leaves the archive": _leaves(entry.orig_filename),
        "it is a link": stat.S_ISLNK(entry.external_attr >> 16),
        "it is encrypted": bool(entry.flag_bits & 0x1),
        f"it claims {entry.file_size} bytes, more than any Sentinel-2 file": entry.file_size > _FILE_LIMIT,
        f"it claims {entry.file_size} bytes from {entry.compress_size}: a decompression bomb": bomb,
        f"the zip is cut short: it ends at byte {size}": entry.header_offset + entry.compress_size > size,
    }
    return next((fault for fault, found in faults.items() if found), None)


def _leaves(name: str) -> bool:
    parts = name.split("/")
    return not parts[0] or ".." in parts or ":" in parts[0] or "\\" in name or "\0" in name
