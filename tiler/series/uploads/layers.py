"""What every reader of uploads gives back, and what it must not exceed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError

DEGREES = CRS.from_user_input("OGC:CRS84")


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """Most features, vertices, bytes once unpacked, and files of one upload."""

    features: int = 500
    vertices: int = 100_000
    unpacked_bytes: int = 50_000_000
    members: int = 100

    def check_features(self, count: int) -> None:
        """Raises `SeriesTooLargeError` with the numbers."""
        if count > self.features:
            raise SeriesTooLargeError(f"{count} features: at most {self.features} in one request, send fewer")

    def check_vertices(self, count: int) -> None:
        """Raises `SeriesTooLargeError` with the numbers."""
        if count > self.vertices:
            raise SeriesTooLargeError(
                f"{count} vertices or more: at most {self.vertices} in one request, simplify the outlines or send fewer"
            )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A feature as the file has it, in the file's coordinates; `flaw` says why it has no geometry."""

    geometry: BaseGeometry | None
    attributes: Mapping[str, Any]
    id: str | None = None
    done: tuple[str, ...] = ()
    flaw: str = ""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """All features of a file; `crs` is None where the file does not say."""

    format: str
    name: str
    crs: CRS | None
    features: Sequence[Drawn]


def crs_beside(files: Mapping[str, bytes], name: str) -> CRS | None:
    """What the `.prj` of the file `name` says, or the only one there is; None where there is none, or nothing in it.

    Raises `SeriesRequestError` where it is not understood.
    """
    found = {PurePosixPath(other): content for other, content in files.items()}
    said = {path.stem.lower(): content for path, content in found.items() if path.suffix.lower() == ".prj"}
    only = next(iter(said.values())) if len(said) == 1 else b""
    text = said.get(PurePosixPath(name).stem.lower(), only).decode("utf-8", "replace").strip("\ufeff\0 \r\n\t")
    return crs_of(text, name) if text else None


def crs_of(text: str, where: str) -> CRS:
    """The coordinate system that `text` (WKT, a code, a URN) names; raises `SeriesRequestError`."""
    try:
        return CRS.from_user_input(text).to_2d()
    except CRSError as error:
        raise SeriesRequestError(
            f"{where}: the coordinate system is not understood ({text[:80]!r}): save the file in WGS 84"
        ) from error
