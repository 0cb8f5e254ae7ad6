"""The files of a SAFE product with sizes and checksums, as its `manifest.safe` lists them; it is not trusted."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from ingest.sources.base import File
from ingest.sources.checksums import Checksum
from ingest.sources.errors import RefusedError

MANIFEST = "manifest.safe"
_LIMIT = 16 * 1024**2
_FILES = 5000
_LONGEST = 240
_PAPERS = ("HTML", "rep_info")
"""Folders that nothing reads: providers leave single files of them out."""


def read_manifest(path: Path) -> list[File]:
    """The files of the product, without the manifest itself; their `href` is their path.

    Raises `RefusedError` for a manifest that is none, names a place outside of the product, or has no checksums.
    """
    if path.stat().st_size > _LIMIT:
        raise RefusedError(f"{path}: {path.stat().st_size} bytes, no manifest has as many")
    try:
        root = parse(path).getroot()
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise RefusedError(f"{path}: no valid XML: {error}") from error
    files = [_file(stream, path) for stream in root.iter("byteStream")]
    if not 0 < len(files) <= _FILES:
        raise RefusedError(f"{path}: {len(files)} files: no Sentinel-2 product")
    names = [file.path.lower() for file in files]
    if len(set(names)) < len(names):
        raise RefusedError(f"{path}: names a file twice")
    return files


def inside(text: str, label: str) -> str:
    """A relative path that stays in its folder and can be a file's on any system, tidied; raises `RefusedError`."""
    parts = PurePosixPath(text).parts
    if not parts or text.startswith("/") or len(text) > _LONGEST or any(map(_unfit, parts)):
        raise RefusedError(f"{label}: {text!r} is no path within the product: refused")
    return str(PurePosixPath(*parts))


def _unfit(part: str) -> bool:
    return part in ("", ".", "..") or part.startswith((".", "~")) or any(c in '\\:*?"<>|' or ord(c) < 32 for c in part)  # noqa: PLR2004 - control characters


def _file(stream: Element, manifest: Path) -> File:
    href = next((place.get("href") or "" for place in stream.iter("fileLocation")), "")
    path = inside(href.removeprefix("./"), str(manifest))
    size = stream.get("size") or ""
    checksums = tuple(_checksums(stream))
    if not size.isdigit() or not checksums:
        raise RefusedError(f"{manifest}: {path} has no size, or no checksum of a kind that can be checked")
    return File(
        path=path, href=path, size=int(size), checksums=checksums, optional=PurePosixPath(path).parts[0] in _PAPERS
    )


def _checksums(stream: Element) -> Iterator[Checksum]:
    for element in stream.iter("checksum"):
        found = Checksum.named(element.get("checksumName") or "", element.text or "")
        if found is not None:
            yield found
