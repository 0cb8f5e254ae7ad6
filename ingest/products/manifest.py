"""`manifest.safe`: ESA's checksum of every file. An image damaged inside its frame decodes, to wrong pixels.

A file of another size than the manifest's is another file, rewritten since by somebody who left the manifest as it was
(down-sampled, emptied, repacked): the checksum says nothing of it, which the product's `warnings` tell. A cut one is
found by its own markers (`jpeg2000`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from ingest.errors import InvalidProductError
from ingest.products.archive import Archive
from ingest.products.metadata import Metadata

_ALGORITHMS = {"MD5": "md5", "SHA3-256": "sha3_256", "SHA-256": "sha256", "SHA256": "sha256"}
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A file as the manifest lists it: `size` in bytes, `digest` in lower-case hexadecimal."""

    size: int
    algorithm: str
    digest: str


def read_manifest(content: bytes, label: str) -> dict[str, Listed]:
    """The files that a manifest lists with a checksum of a known kind, by their path in the product.

    Raises `InvalidProductError` where it is no XML.
    """
    entries = (_entry(element) for element in Metadata(content, label).all("byteStream"))
    return dict(entry for entry in entries if entry is not None)


def rewritten(archive: Archive, files: Mapping[str, str], listed: Mapping[str, Listed]) -> tuple[str, ...]:
    """A warning where images (name to path) have another size than the manifest says."""
    others = [
        name for name, path in files.items() if path in listed and archive.members[path].size != listed[path].size
    ]
    if not others:
        return ()
    shown = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
    return (f"{len(others)} images are not the files that manifest.safe lists, their sizes differ ({shown})",)


def check_digest(payload: Path | bytes, listed: Listed | None, label: str) -> None:
    """Compare an image's bytes with its checksum; raises `InvalidProductError` telling both.

    To be asked just after a file was decoded: it is in the system's cache then, and the disk is read once.
    """
    if listed is None or _size(payload) != listed.size:
        return
    if isinstance(payload, bytes):
        found = hashlib.new(listed.algorithm, payload, usedforsecurity=False).hexdigest()
    else:
        with payload.open("rb") as stream:
            found = hashlib.file_digest(stream, listed.algorithm).hexdigest()
    if found != listed.digest:
        raise InvalidProductError(
            f"{label}: it is damaged: its {listed.algorithm} is {found}, the product says {listed.digest}; "
            "fetch the product again"
        )


def _entry(stream: Element) -> tuple[str, Listed] | None:
    """Path and checksum in a `byteStream`, whatever namespaces its elements have; None without either."""
    parts = {element.tag.rpartition("}")[2]: element for element in stream}
    location, checksum = parts.get("fileLocation"), parts.get("checksum")
    size = stream.get("size", "")
    if location is None or checksum is None or not size.isdecimal():
        return None
    algorithm = _ALGORITHMS.get(checksum.get("checksumName", "").upper())
    digest = (checksum.text or "").strip().lower()
    if algorithm is None or not digest:
        return None
    return location.get("href", "").removeprefix("./"), Listed(size=int(size), algorithm=algorithm, digest=digest)


def _size(payload: Path | bytes) -> int:
    return len(payload) if isinstance(payload, bytes) else payload.stat().st_size
