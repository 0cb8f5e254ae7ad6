"""What ingestion needs of a product, whatever its format: one protocol, and the types it speaks in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from stac.scene import Grid, Radiometry, Scene


@dataclass(frozen=True, kw_only=True)
class Raster:
    """A decoded image: `pixels` of shape (rows, columns), or (3, rows, columns) for the true colour image.

    `hollow`: the file stores no pixel at all (a sparse TIFF): it stands in for an image that was left out.
    """

    pixels: NDArray[Any]
    grid: Grid
    hollow: bool = False


@dataclass(frozen=True, kw_only=True)
class Document:
    """A metadata file to keep beside the images: `name` is its asset key."""

    name: str
    filename: str
    media_type: str
    content: bytes


class Product(Protocol):
    """A Sentinel-2 product that can be read. Opening one checks its inventory: what it holds can be read."""

    @property
    def scene(self) -> Scene:
        """Identity and metadata."""
        ...

    @property
    def images(self) -> Mapping[str, Radiometry]:
        """Names of the images held (asset keys: band and layer names), with what their numbers mean."""
        ...

    @property
    def documents(self) -> Sequence[Document]:
        """Metadata files to keep."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know of the product, though it can be used."""
        ...

    def read(self, image: str) -> Raster:
        """Decode an image whole, in the numbers of the product; raises `InvalidProductError` naming the file."""
        ...
