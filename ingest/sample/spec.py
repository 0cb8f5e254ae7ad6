"""What a sample product is: the few facts all its files follow from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from ingest.sample.grid import TileGrid
from ingest.sample.noise import seed_of, uniform
from ingest.tiling import EXTENT
from stac.naming import Baseline, ProductName, Tile

type Level = Literal["L1C", "L2A"]
type Unit = Literal["S2A", "S2B", "S2C"]

OFFSET_SINCE = Baseline.parse("04.00")
SWATH_SLOPE = 0.21
"""Metres the swath's edge of a descending pass moves east per metre north, near 12 degrees of latitude."""

_ORBITS_PER_DAY = 14.3
_MONSOON = range(5, 11)
_CYCLE = 143
_REFERENCE: dict[Unit, tuple[int, datetime, int]] = {
    # Absolute orbit at a time, and the shift by which orbits are counted within the cycle. S2C's is our assumption.
    "S2A": (32448, datetime(2021, 9, 8, 4, 27, 1, tzinfo=UTC), 2),
    "S2B": (33753, datetime(2023, 8, 23, 9, 55, 59, tzinfo=UTC), -27),
    "S2C": (2117, datetime(2025, 2, 3, 10, 52, 41, tzinfo=UTC), -9),
}


@dataclass(frozen=True, kw_only=True)
class ProductSpec:
    """One sample product.

    `sensing` is the datatake's start (UTC). `size` is the number of pixels per side of the "10 m" bands, a multiple of
    6; 10980 is the real one. `add_offset` None follows the baseline: -1000 from 04.00 on, none before; other values
    are written as they are. `swath_edge` is a UTM point (easting, northing) on the swath's eastern edge, beyond which
    there is no data. `cloudiness` is the share of the sky covered, 0..1; None draws it by season. `lean` leaves out
    the copies of L2A bands at coarser resolutions. `delay` is the time from the datatake's to the datastrip's start:
    two products of one datatake in different datastrips differ in it.
    """

    level: Level = "L2A"
    platform: Unit = "S2B"
    tile: str = "48PWU"
    sensing: datetime
    baseline: str = "05.11"
    relative_orbit: int = 75
    size: int = 1098
    generation: datetime | None = None
    discriminator: datetime | None = None
    add_offset: int | None = None
    swath_edge: tuple[float, float] | None = None
    cloudiness: float | None = None
    seed: int = 0
    lean: bool = True
    delay: timedelta = timedelta(minutes=10, seconds=13)

    def __post_init__(self) -> None:
        if self.size <= 0 or self.size % 6:
            raise ValueError(f"{self.name}: size {self.size} must be a positive multiple of 6")
        if self.sensing.tzinfo is None:
            raise ValueError(f"{self.name}: sensing time {self.sensing} needs a time zone: use UTC")
        if self.cloudiness is not None and not 0 <= self.cloudiness <= 1:
            raise ValueError(f"{self.name}: cloudiness {self.cloudiness} must lie in 0..1")

    @property
    def name(self) -> str:
        """Product name without suffix."""
        return str(
            ProductName(
                unit=self.platform,
                level=self.level,
                datatake_start=self.sensing,
                baseline=Baseline.parse(self.baseline),
                relative_orbit=self.relative_orbit,
                tile=Tile.parse(self.tile),
                discriminator=self.discriminator or self.generated,
            )
        )

    @property
    def generated(self) -> datetime:
        """Time of processing: as given, or some hours after sensing."""
        hours = 2 if self.level == "L1C" else 4
        return self.generation or (self.sensing + timedelta(hours=hours, minutes=11, seconds=22)).replace(microsecond=0)

    @cached_property
    def grid(self) -> TileGrid:
        """The ground it covers."""
        return TileGrid(tile=self.tile, size=self.size)

    @property
    def has_offset(self) -> bool:
        """Whether the metadata has `BOA_ADD_OFFSET` or `RADIO_ADD_OFFSET`."""
        return self.add_offset is not None or Baseline.parse(self.baseline) >= OFFSET_SINCE

    @property
    def offset(self) -> int:
        """What is added to DN before the division by 10000; 0 when the metadata has no offset."""
        return self.add_offset if self.add_offset is not None else -1000 * self.has_offset

    @property
    def datastrip_start(self) -> datetime:
        """Sensing start of the datastrip."""
        return self.sensing + self.delay

    @property
    def absolute_orbit(self) -> int:
        """The orbit number since launch that lies nearest in time and agrees with the relative orbit."""
        orbit, when, shift = _REFERENCE[self.platform]
        guess = orbit + (self.sensing - when).total_seconds() / 86_400 * _ORBITS_PER_DAY
        remainder = (self.relative_orbit - 1 - shift) % _CYCLE
        return remainder + round((guess - remainder) / _CYCLE) * _CYCLE

    @property
    def wet_season(self) -> bool:
        """Whether the monsoon blows."""
        return self.sensing.month in _MONSOON

    @property
    def cloud_cover(self) -> float:
        """The share of the sky meant to be covered, the same for all tiles of a datatake."""
        if self.cloudiness is not None:
            return self.cloudiness
        draw = uniform(seed_of(self.seed, "cover", f"{self.sensing:%Y%m%d}"))
        return (0.04 + 0.92 * draw) if self.wet_season else 0.32 * draw**2

    @property
    def granule(self) -> str:
        """Name of the granule's folder."""
        return f"{self.level}_T{self.tile}_A{self.absolute_orbit:06d}_{self.datastrip_start:%Y%m%dT%H%M%S}"

    @property
    def datastrip(self) -> str:
        """Name of the datastrip's folder."""
        return f"DS_{self.centre}_{self.generated:%Y%m%dT%H%M%S}_S{self.datastrip_start:%Y%m%dT%H%M%S}"

    @property
    def datastrip_id(self) -> str:
        """`DATASTRIP_ID` of the metadata."""
        return f"{self.platform}_OPER_MSI_{self.level}_{self.datastrip}_N{self.baseline}"

    @property
    def tile_id(self) -> str:
        """`TILE_ID` of the metadata."""
        return self.tile_id_of(self.level)

    def tile_id_of(self, level: Level) -> str:
        """`TILE_ID` as the product of another level has it."""
        orbit = f"A{self.absolute_orbit:06d}"
        stamp = f"{self.generated:%Y%m%dT%H%M%S}"
        return f"{self.platform}_OPER_MSI_{level}_TL_{self.centre}_{stamp}_{orbit}_T{self.tile}_N{self.baseline}"

    @property
    def datatake_id(self) -> str:
        """`datatakeIdentifier` of the metadata."""
        return f"G{self.platform}_{self.sensing:%Y%m%dT%H%M%S}_{self.absolute_orbit:06d}_N{self.baseline}"

    @property
    def centre(self) -> str:
        """Processing centre, such as `2BPS`."""
        return f"{self.platform[1:]}PS"

    @property
    def prefix(self) -> str:
        """Start of the image files' names."""
        return f"T{self.tile}_{self.sensing:%Y%m%dT%H%M%S}"


def swath_through(tile: str, share: float) -> tuple[float, float]:
    """A `swath_edge` that leaves `share` of the tile's width inside the swath at its middle."""
    ulx, uly = TileGrid(tile=tile, size=6).origin
    return ulx + share * EXTENT, uly - EXTENT / 2
