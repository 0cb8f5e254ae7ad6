"""The band table of the Multi-Spectral Instrument, and the other images of a product: the one place that defines them.

Wavelengths and bandwidths are those of Sentinel-2A in micrometres, from ESA's Sentinel-2 Spectral Response Functions
(S2-SRF) document as used by the MTD files (`Wavelength/CENTRAL`, in nm); common names from the STAC eo extension.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from stac.errors import UnknownNameError

Level = Literal["L1C", "L2A"]
Resampling = Literal["average", "mode"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A spectral band: `gsd` in metres, `wavelength` and `width` (full width at half maximum) in micrometres."""

    name: str
    common_name: str
    description: str
    gsd: int
    wavelength: float
    width: float
    levels: tuple[Level, ...] = ("L1C", "L2A")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An image of a product that is no spectral band; `gsd` in metres; `required` images make a product complete."""

    name: str
    title: str
    description: str
    gsd: int
    data_type: Literal["uint8", "uint16"]
    roles: tuple[str, ...]
    nodata: int | None
    levels: tuple[Level, ...] = ("L2A",)
    unit: str | None = None
    overviews: Resampling = "average"
    required: bool = False


_BANDS = (
    Band(name="B01", common_name="coastal", description="Coastal aerosol", gsd=60, wavelength=0.4427, width=0.021),
    Band(name="B02", common_name="blue", description="Blue", gsd=10, wavelength=0.4924, width=0.066),
    Band(name="B03", common_name="green", description="Green", gsd=10, wavelength=0.5598, width=0.036),
    Band(name="B04", common_name="red", description="Red", gsd=10, wavelength=0.6646, width=0.031),
    Band(name="B05", common_name="rededge071", description="Red edge 1", gsd=20, wavelength=0.7041, width=0.015),
    Band(name="B06", common_name="rededge075", description="Red edge 2", gsd=20, wavelength=0.7405, width=0.015),
    Band(name="B07", common_name="rededge078", description="Red edge 3", gsd=20, wavelength=0.7828, width=0.020),
    Band(name="B08", common_name="nir", description="Near infrared", gsd=10, wavelength=0.8328, width=0.106),
    Band(name="B8A", common_name="nir08", description="Narrow near infrared", gsd=20, wavelength=0.8647, width=0.021),
    Band(name="B09", common_name="nir09", description="Water vapour", gsd=60, wavelength=0.9451, width=0.020),
    Band(
        name="B10",
        common_name="cirrus",
        description="Cirrus",
        gsd=60,
        wavelength=1.3735,
        width=0.031,
        levels=("L1C",),
    ),
    Band(name="B11", common_name="swir16", description="Short-wave infrared 1", gsd=20, wavelength=1.6137, width=0.091),
    Band(name="B12", common_name="swir22", description="Short-wave infrared 2", gsd=20, wavelength=2.2024, width=0.175),
)
BANDS: Mapping[str, Band] = MappingProxyType({band.name: band for band in _BANDS})

BAND_IDS: tuple[str, ...] = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
"""The order of `band_id` 0..12 in the products' metadata."""

_LAYERS = (
    Layer(
        name="SCL",
        title="Scene classification",
        description="Class of each pixel by Sen2Cor",
        gsd=20,
        data_type="uint8",
        roles=("data", "classification"),
        nodata=0,
        overviews="mode",
        required=True,
    ),
    Layer(
        name="CLDPRB",
        title="Cloud probability",
        description="Probability of cloud by Sen2Cor, in per cent",
        gsd=20,
        data_type="uint8",
        roles=("data", "cloud"),
        nodata=None,
        unit="%",
    ),
    Layer(
        name="SNWPRB",
        title="Snow probability",
        description="Probability of snow by Sen2Cor, in per cent",
        gsd=20,
        data_type="uint8",
        roles=("data", "snow-ice"),
        nodata=None,
        unit="%",
    ),
    Layer(
        name="AOT",
        title="Aerosol optical thickness",
        description="Aerosol optical thickness at 550 nm",
        gsd=20,
        data_type="uint16",
        roles=("data",),
        nodata=0,
    ),
    Layer(
        name="WVP",
        title="Water vapour",
        description="Scene-average water vapour column",
        gsd=20,
        data_type="uint16",
        roles=("data",),
        nodata=0,
        unit="cm",
    ),
    Layer(
        name="TCI",
        title="True colour image",
        description="Red, green and blue for the eye, 8 bits each",
        gsd=10,
        data_type="uint8",
        roles=("visual",),
        nodata=0,
        levels=("L1C", "L2A"),
    ),
)
LAYERS: Mapping[str, Layer] = MappingProxyType({layer.name: layer for layer in _LAYERS})


@dataclass(frozen=True, kw_only=True)
class SceneClass:
    """A class of the scene classification (SCL): value, name for machines, meaning, colour by Sen2Cor's legend."""

    value: int
    name: str
    description: str
    color: str


SCENE_CLASSES: tuple[SceneClass, ...] = (
    SceneClass(value=0, name="no_data", description="No data", color="000000"),
    SceneClass(value=1, name="saturated_or_defective", description="Saturated or defective", color="ff0000"),
    SceneClass(value=2, name="dark_area_pixels", description="Topographic shadow, dark area", color="2f2f2f"),
    SceneClass(value=3, name="cloud_shadows", description="Cloud shadow", color="643200"),
    SceneClass(value=4, name="vegetation", description="Vegetation", color="00a000"),
    SceneClass(value=5, name="not_vegetated", description="Not vegetated", color="ffe65a"),
    SceneClass(value=6, name="water", description="Water", color="0000ff"),
    SceneClass(value=7, name="unclassified", description="Unclassified", color="808080"),
    SceneClass(value=8, name="cloud_medium_probability", description="Cloud, medium probability", color="c0c0c0"),
    SceneClass(value=9, name="cloud_high_probability", description="Cloud, high probability", color="ffffff"),
    SceneClass(value=10, name="thin_cirrus", description="Thin cirrus", color="64c8ff"),
    SceneClass(value=11, name="snow_or_ice", description="Snow or ice", color="ff96ff"),
)


def bands_of(level: Level) -> tuple[Band, ...]:
    """Bands that a complete product of `level` holds."""
    return tuple(band for band in BANDS.values() if level in band.levels)


def layers_of(level: Level) -> tuple[Layer, ...]:
    """Images beside the bands that a product of `level` may hold."""
    return tuple(layer for layer in LAYERS.values() if level in layer.levels)


def by_common_name(name: str) -> Band:
    """The band with a STAC common name, such as `red`; raises `UnknownNameError`."""
    for band in BANDS.values():
        if band.common_name == name:
            return band
    known = ", ".join(band.common_name for band in BANDS.values())
    raise UnknownNameError(f"no band has the common name {name[:40]!r}: {known}")
