"""What is known of one product, before and after its images are written: the input of the item builder. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from stac.naming import ProductName

SourceKind = Literal["safe", "aws", "earth-search", "sen2chain"]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A north-up pixel grid: `epsg` of its projection, `left` and `top` of the upper-left corner, all in metres."""

    epsg: int
    width: int
    height: int
    left: float
    top: float
    pixel_width: float
    pixel_height: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine transform in the order of STAC's `proj:transform` (a, b, c, d, e, f)."""
        return self.pixel_width, 0.0, self.left, 0.0, -self.pixel_height, self.top

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in metres."""
        return (
            self.left,
            self.top - self.height * self.pixel_height,
            self.left + self.width * self.pixel_width,
            self.top,
        )


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """How stored numbers become physical values: `value = dn * scale + offset`, where `dn` is not `nodata`."""

    scale: float = 1.0
    offset: float = 0.0
    nodata: int | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A product's identity and metadata.

    Angles in degrees, covers in per cent. `quality` holds further `s2:*` properties by their STAC name (for example
    `s2:vegetation_percentage`). `outline` is the footprint that the metadata declares (GeoJSON geometry, WGS 84), used
    only where no valid pixel tells better. `fingerprint` changes when the product's inventory does. What only the
    product's metadata tell (`generated`, the ids) is None where they are gone. `lineage` says how the pixels came about
    where that is not the usual way; `remarks` are further `sen2extract:*` properties.
    """

    name: ProductName
    acquired: datetime
    fingerprint: str
    source: SourceKind
    generated: datetime | None = None
    datatake_id: str | None = None
    datastrip_id: str | None = None
    granule_id: str | None = None
    absolute_orbit: int | None = None
    orbit_state: Literal["ascending", "descending"] | None = None
    sun_azimuth: float | None = None
    sun_elevation: float | None = None
    view_azimuth: float | None = None
    view_incidence: float | None = None
    cloud_cover: float | None = None
    snow_cover: float | None = None
    quality: Mapping[str, float | str] = field(default_factory=dict)
    outline: Mapping[str, Any] | None = None
    offset_applied: bool = False
    via: str | None = None
    software: Mapping[str, str] = field(default_factory=dict)
    lineage: str | None = None
    remarks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def item_id(self) -> str:
        """Id of the scene's items: the product name without suffix."""
        return str(self.name)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of an image's valid pixels, in stored numbers; None where no pixel is valid."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    stddev: float | None
    valid_percent: float


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """How a COG stores its full-resolution image: 256 x 256 blocks, their places in `spans` (see `stac.blocks`)."""

    data_type: str
    codec: Literal["zstd", "deflate"]
    predictor: int
    spans: bytes


@dataclass(frozen=True, kw_only=True)
class StoredAsset:
    """A file as it lies in the bucket: `key` of the object, `sha256` in hex, `size` in bytes."""

    name: str
    key: str
    size: int
    sha256: str
    media_type: str
    grid: Grid | None = None
    data_type: str | None = None
    radiometry: Radiometry | None = None
    statistics: Statistics | None = None
    mask_fields: tuple[str, ...] = ()
    blocks: Blocks | None = None


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Outline of a scene's valid pixels: GeoJSON geometry and bbox (RFC 7946: west > east across 180 degrees)."""

    geometry: Mapping[str, Any]
    bbox: tuple[float, float, float, float]
