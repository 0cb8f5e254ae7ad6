"""Product names, MGRS tiles and object keys: parse and format. Standard library only.

Source of the name format: Sentinel-2 Product Specification Document, compact naming convention:
`MMM_MSIXXX_YYYYMMDDHHMMSS_Nxxyy_ROOO_Txxxxx_<discriminator>.SAFE`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Self

from stac.errors import NameFormatError

PACKS = "packs"
"""First part of the keys of all packs."""

_TIME = "%Y%m%dT%H%M%S"
_PRODUCT = re.compile(
    r"(?P<unit>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})_N(?P<baseline>\d{4})_R(?P<orbit>\d{3})"
    r"_T(?P<tile>\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])_(?P<discriminator>\d{8}T\d{6})"
)
_TILE = re.compile(r"(?P<zone>0[1-9]|[1-5]\d|60)(?P<band>[C-HJ-NP-X])(?P<square>[A-HJ-NP-Z][A-HJ-NP-V])")
_IMAGE = re.compile(
    r"(?P<square>[^/]+/\d{2}/[A-Z]/[A-Z]{2})/\d{4}/\d{2}/[^/]+/(?P<asset>[A-Za-z0-9_]+)-[0-9a-f]{8}\.tif"
)
_PART = re.compile(rf"(?P<prefix>{PACKS}/[^/]+(/[^/]+){{5}})/r(?P<row>\d+)c(?P<column>\d+)-[0-9a-f]{{8}}\.tif")
_SUFFIX = re.compile(r"\.(SAFE|zip|SAFE\.zip)$", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Baseline:
    """A processing baseline such as 05.11, ordered as numbers; 99.99, a provider's own processing, ranks lowest."""

    rank: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `05.11`, `0511` or `5.11`; raises `NameFormatError`."""
        match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})|(\d{2})(\d{2})", text.strip())
        if match is None:
            raise NameFormatError(f"{text!r} is no processing baseline: expected the form 05.11")
        major, minor = (int(part) for part in match.groups() if part is not None)
        return cls((-1, -1) if (major, minor) == (99, 99) else (major, minor))

    def __str__(self) -> str:
        return "99.99" if self.rank < (0, 0) else f"{self.rank[0]:02d}.{self.rank[1]:02d}"


def parse_baselines(text: str) -> tuple[Baseline | None, Baseline | None]:
    """`05.11`, or a range of which either end may be open: `05.00..`, `..04.00`, `04.00..05.11`."""
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots:
        low = high = text
    return Baseline.parse(low) if low else None, Baseline.parse(high) if high else None


@dataclass(frozen=True, order=True)
class Tile:
    """An MGRS tile of the Sentinel-2 grid, such as 48PWU."""

    zone: int
    band: str
    square: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `48PWU`, `T48PWU` or `MGRS-48PWU`; raises `NameFormatError`."""
        match = _TILE.fullmatch(text.upper().removeprefix("MGRS-").removeprefix("T"))
        if match is None:
            raise NameFormatError(f"{text!r} is no MGRS tile: expected the form 48PWU")
        return cls(int(match["zone"]), match["band"], match["square"])

    @property
    def epsg(self) -> int:
        """EPSG code of the tile's UTM projection; latitude bands from N on lie in the northern hemisphere."""
        return (32600 if self.band >= "N" else 32700) + self.zone

    def __str__(self) -> str:
        return f"{self.zone:02d}{self.band}{self.square}"


@dataclass(frozen=True, kw_only=True)
class ProductName:
    """The parts of a Sentinel-2 product name."""

    unit: str
    level: str
    datatake_start: datetime
    baseline: Baseline
    relative_orbit: int
    tile: Tile
    discriminator: datetime

    @classmethod
    def parse(cls, text: str) -> "ProductName":
        """Read a product name with or without `.SAFE`/`.zip`; raises `NameFormatError`."""
        return _parse_product(text)

    @property
    def platform(self) -> str:
        """STAC platform, such as `sentinel-2a`."""
        return f"sentinel-2{self.unit[-1].lower()}"

    def __str__(self) -> str:
        major, minor = (99, 99) if self.baseline.rank < (0, 0) else self.baseline.rank
        return (
            f"{self.unit}_MSI{self.level}_{self.datatake_start:{_TIME}}_N{major:02d}{minor:02d}"
            f"_R{self.relative_orbit:03d}_T{self.tile}_{self.discriminator:{_TIME}}"
        )


def item_prefix(collection: str, item_id: str, tile: Tile, acquired: datetime) -> str:
    """Folder of an item in the bucket: `{collection}/{zone}/{band}/{square}/{yyyy}/{mm}/{item-id}`."""
    return f"{collection}/{tile.zone:02d}/{tile.band}/{tile.square}/{acquired:%Y/%m}/{item_id}"


def asset_key(prefix: str, asset: str, sha256: str, suffix: str) -> str:
    """Immutable object key of an asset: a changed file is a new key."""
    return f"{prefix}/{asset}-{sha256[:8]}{suffix}"


def item_key(prefix: str) -> str:
    """Object key of the item document, beside the assets in the item's folder."""
    return f"{prefix}/{prefix.rsplit('/', 1)[-1]}.json"


def series_of(key: str) -> str | None:
    """What images of one asset and tile share: `{collection}/{zone}/{band}/{square}/{asset}`; None for other keys."""
    match = _IMAGE.fullmatch(key)
    return f"{match['square']}/{match['asset']}" if match else None


def pack_prefix(series: str, first: datetime, last: datetime, digest: str) -> str:
    """Folder of a pack in the bucket: `packs/{series}/{first}-{last}-{digest}`, dates of its images."""
    return f"{PACKS}/{series}/{first:%Y%m%d}-{last:%Y%m%d}-{digest[:12]}"


def pack_part_key(prefix: str, row: int, column: int, sha256: str) -> str:
    """Immutable object key of a part of a pack."""
    return f"{prefix}/r{row:02d}c{column:02d}-{sha256[:8]}.tif"


def pack_document_key(prefix: str) -> str:
    """Object key of the document that says what a pack holds."""
    return f"{prefix}/pack.json"


def pack_part_of(key: str) -> tuple[str, int, int] | None:
    """Folder, row and column of a part of a pack, by its object key; None for other objects."""
    match = _PART.fullmatch(key)
    return (match["prefix"], int(match["row"]), int(match["column"])) if match else None


@lru_cache(maxsize=4096)
def _parse_product(text: str) -> ProductName:
    """Remembered: publishing asks for the name of an item and of its indices several times."""
    match = _PRODUCT.fullmatch(_SUFFIX.sub("", text))
    if match is None:
        raise NameFormatError(
            f"{text!r} is no Sentinel-2 product name: expected "
            "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"
        )
    return ProductName(
        unit=match["unit"],
        level=match["level"],
        datatake_start=_parse_time(match["datatake"], text),
        baseline=Baseline.parse(match["baseline"]),
        relative_orbit=int(match["orbit"]),
        tile=Tile.parse(match["tile"]),
        discriminator=_parse_time(match["discriminator"], text),
    )


def _parse_time(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{text}Z")
    except ValueError as error:
        raise NameFormatError(f"{name!r}: {text} is no date and time") from error
