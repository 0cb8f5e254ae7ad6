"""What a provider of products is: one protocol, and the types it speaks in. A further provider is a module beside."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

from ingest.sources.checksums import Checksum
from ingest.sources.query import Query
from stac.naming import ProductName


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a product: `path` within the product's folder, `href` as its source understands it.

    `size` in bytes, where it is known. A file that is not `resumable` is fetched whole or not at all; one that is
    `optional` may be missing at the provider.
    """

    path: str
    href: str
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    resumable: bool = True
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A product that a provider has. `cloud_cover` in per cent, `size` in bytes, None where it does not say.

    `href` is the provider's own record of it; `datastrip_start` the sensing start in the datastrip's id, which tells
    two products of one datatake and tile apart.
    """

    source: str
    name: str
    acquired: datetime
    href: str
    cloud_cover: float | None = None
    size: int | None = None
    datastrip_start: str | None = None

    @property
    def product(self) -> ProductName:
        """The parts of its name."""
        return ProductName.parse(self.name)

    @property
    def address(self) -> str:
        """What the ledger calls it as long as it is not on a disk of ours."""
        return f"{self.source}:{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"acquired": self.acquired.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what `as_dict` gave."""
        return cls(**{**values, "acquired": datetime.fromisoformat(values["acquired"])})


class Progress(Protocol):
    """Who wants to know how far a download is."""

    def expect(self, total: int) -> None:
        """So many bytes more are to come."""
        ...

    def advance(self, count: int) -> None:
        """So many bytes more are there; fewer, if negative: they were thrown away."""
        ...


class Quiet:
    """Nobody wants to know."""

    def expect(self, total: int) -> None:
        """Take note of nothing."""

    def advance(self, count: int) -> None:
        """Take note of nothing."""


class Source(Protocol):
    """A provider. Every method raises `SourceError`: `PassingError` is worth another try, `RefusedError` is not."""

    @property
    def name(self) -> str:
        """The name under which it is chosen."""
        ...

    def search(self, query: Query) -> Iterator[Offer]:
        """The products that the query describes, in no particular order; each once."""
        ...

    def download(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Bring a product into `folder` and return its path there.

        It appears complete and verified or not at all; what a killed download left is gone on with.
        """
        ...

    def withdrawn(self, query: Query) -> Mapping[str, str]:
        """Names of products that the query would describe, had they not been taken back, and why they were.

        Empty where the provider does not tell.
        """
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...
