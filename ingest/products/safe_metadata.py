"""The metadata of a SAFE product: two XML files -> scene, radiometry and extent. No I/O.

Elements: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD), level-1C and level-2A user product and tile
metadata; Sen2Cor's products of 2017-18 prefix some with `L2A_` or end them in `_2A`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast
from xml.etree.ElementTree import Element

from ingest.errors import InvalidProductError
from ingest.products.images import Extent
from ingest.products.metadata import Metadata, child_text
from ingest.products.outline import outline
from stac.bands import BAND_IDS, LAYERS, Level, bands_of, layers_of
from stac.errors import NameFormatError
from stac.naming import ProductName
from stac.scene import Radiometry, Scene

QUALITY_PERCENTAGES = (
    "degraded_msi_data", "nodata_pixel", "saturated_defective_pixel", "dark_features", "cloud_shadow", "vegetation",
    "not_vegetated", "water", "unclassified", "medium_proba_clouds", "high_proba_clouds", "thin_cirrus", "snow_ice",
)  # fmt: skip
"""Shares of the scene in per cent: `VEGETATION_PERCENTAGE` in the XML, `s2:vegetation_percentage` in STAC."""

_CALLED_BEFORE = {"not_vegetated": "BARE_SOILS", "unclassified": "LOW_PROBA_CLOUDS"}
"""What Sen2Cor 2.0-2.3 called the same classes, 5 and 7."""

_QUANTIFICATION = {
    "L1C": ("QUANTIFICATION_VALUE",),
    "L2A": ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"),
}
_ADD_OFFSET = {"L1C": "RADIO_ADD_OFFSET", "L2A": "BOA_ADD_OFFSET"}
_ABSOLUTE_ORBIT = re.compile(r"_A(\d{6})_")


@dataclass(frozen=True, kw_only=True)
class SafeMetadata:
    """What the XML files of a product say; `radiometry` by image name, for every image that the level may hold."""

    scene: Scene
    radiometry: Mapping[str, Radiometry]
    extent: Extent


def read_metadata(product: Metadata, granule: Metadata, *, name: ProductName, fingerprint: str) -> SafeMetadata:
    """Read the metadata of the product called `name`; raises `InvalidProductError` naming file and element."""
    level = cast("Level", name.level)
    scene = _scene(name, product, granule, fingerprint)
    _check_identity(scene, product)
    return SafeMetadata(scene=scene, radiometry=read_radiometry(product, level), extent=read_extent(granule))


def product_name(product: Metadata, folder: str, *, renamed: bool = False) -> ProductName:
    """The product's name, by its metadata; raises `InvalidProductError` naming file and element.

    `folder` is the name of the product's folder: where it is a product name too, it must be the same, but for its
    discriminator if `renamed`; then the folder's name is the product's.
    """
    uri = product.text("PRODUCT_URI", "PRODUCT_URI_2A", "PRODUCT_URI_1C")
    try:
        name = ProductName.parse(uri or folder)
    except NameFormatError as error:
        raise InvalidProductError(f"{product.label}: PRODUCT_URI: {error}") from error
    try:
        named = ProductName.parse(folder)
    except NameFormatError:
        return name
    if renamed and replace(name, discriminator=named.discriminator) == named:
        return named
    if named != name:
        raise InvalidProductError(f"{product.label}: PRODUCT_URI is {name}, but the product is named {named}")
    return name


def read_radiometry(product: Metadata, level: Level) -> dict[str, Radiometry]:
    """What the numbers of each image mean: reflectance = (DN + offset) / quantification, both from the XML."""
    quantification = _positive(product, *_QUANTIFICATION[level])
    offsets = _offsets(product, level)
    nodata = _nodata(product)
    radiometry = {
        band.name: Radiometry(
            scale=1 / quantification, offset=offsets.get(band.name, 0.0) / quantification, nodata=nodata
        )
        for band in bands_of(level)
    }
    return radiometry | {layer.name: _layer_radiometry(product, layer.name) for layer in layers_of(level)}


def read_extent(granule: Metadata) -> Extent:
    """The tile's projection and bounds, from its geocoding at the finest resolution."""
    code = granule.need("HORIZONTAL_CS_CODE")
    if not (match := re.fullmatch(r"EPSG:(\d{4,5})", code, re.IGNORECASE)):
        raise InvalidProductError(f"{granule.label}: HORIZONTAL_CS_CODE is {code!r}, no EPSG code")
    size, corner = _finest(granule, "Size"), _finest(granule, "Geoposition")
    rows, columns = (granule.to_number(child_text(size, name) or "", name) for name in ("NROWS", "NCOLS"))
    left, top, across, down = (
        granule.to_number(child_text(corner, name) or "", name) for name in ("ULX", "ULY", "XDIM", "YDIM")
    )
    return Extent(epsg=int(match[1]), left=left, top=top, right=left + columns * across, bottom=top + rows * down)


def read_quality(product: Metadata, granule: Metadata) -> dict[str, float | str]:
    """Further `s2:*` properties; where the two files differ the granule's wins, it is about the tile."""
    quality: dict[str, float | str] = {}
    for name in QUALITY_PERCENTAGES:
        elements = [f"{known}_PERCENTAGE" for known in (name.upper(), _CALLED_BEFORE.get(name)) if known]
        value = granule.number(*elements)
        value = product.number(*elements) if value is None else value
        if value is not None:
            quality[f"s2:{name}_percentage"] = value
    for key, element in (("s2:product_type", "PRODUCT_TYPE"), ("s2:datatake_type", "DATATAKE_TYPE")):
        if text := product.text(element):
            quality[key] = text
    if (conversion := product.number("U")) is not None:
        quality["s2:reflectance_conversion_factor"] = conversion
    return quality


def view_angles(granule: Metadata) -> tuple[float | None, float | None]:
    """Mean azimuth (as a mean of directions) and zenith angle of the view over the bands, in degrees."""
    azimuths, zeniths = [], []
    for element in granule.all("Mean_Viewing_Incidence_Angle"):
        zenith = float(child_text(element, "ZENITH_ANGLE") or "nan")
        azimuth = float(child_text(element, "AZIMUTH_ANGLE") or "nan")
        if math.isfinite(zenith) and math.isfinite(azimuth):
            zeniths.append(zenith)
            azimuths.append(math.radians(azimuth))
    if not zeniths:
        return None, None
    direction = math.atan2(sum(map(math.sin, azimuths)), sum(map(math.cos, azimuths)))
    return math.degrees(direction) % 360, sum(zeniths) / len(zeniths)


def _scene(name: ProductName, product: Metadata, granule: Metadata, fingerprint: str) -> Scene:
    granule_id = granule.need("TILE_ID_2A", "TILE_ID")
    orbit = _ABSOLUTE_ORBIT.search(granule_id)
    sun = next(iter(granule.all("Mean_Sun_Angle")), None)
    zenith, azimuth = (_angle(granule, sun, f"{angle}_ANGLE") for angle in ("ZENITH", "AZIMUTH"))
    view_azimuth, view_incidence = view_angles(granule)
    quality = read_quality(product, granule)
    cloud_cover = granule.number("CLOUDY_PIXEL_PERCENTAGE")
    return Scene(
        name=name,
        acquired=product.time("PRODUCT_START_TIME", "DATATAKE_SENSING_START"),
        generated=product.time("GENERATION_TIME"),
        datatake_id=_datatake_id(product),
        datastrip_id=granule.need("DATASTRIP_ID_2A", "DATASTRIP_ID"),
        granule_id=granule_id,
        fingerprint=fingerprint,
        source="safe",
        absolute_orbit=int(orbit[1]) if orbit else None,
        orbit_state=_orbit_state(product),
        sun_azimuth=azimuth,
        sun_elevation=None if zenith is None else 90 - zenith,
        view_azimuth=view_azimuth,
        view_incidence=view_incidence,
        cloud_cover=product.number("Cloud_Coverage_Assessment") if cloud_cover is None else cloud_cover,
        snow_cover=granule.number("SNOW_ICE_PERCENTAGE"),
        quality=quality,
        outline=outline(product.text("EXT_POS_LIST")),
    )


def _check_identity(scene: Scene, product: Metadata) -> None:
    """The files must be about the product that the name names: its tile, unit and relative orbit."""
    name = scene.name
    claims = {
        "TILE_ID": (scene.granule_id, f"_T{name.tile}" in (scene.granule_id or "")),
        "SPACECRAFT_NAME": (unit := product.text("SPACECRAFT_NAME"), unit is None or unit[-1:] == name.unit[-1]),
        "SENSING_ORBIT_NUMBER": (
            orbit := product.number("SENSING_ORBIT_NUMBER"),
            orbit is None or orbit == name.relative_orbit,
        ),
    }
    for element, (value, agrees) in claims.items():
        if not agrees:
            raise InvalidProductError(f"{product.label}: {element} is {value}, which does not belong to {name}")


def _angle(granule: Metadata, element: Element | None, name: str) -> float | None:
    text = None if element is None else child_text(element, name)
    return None if text is None else granule.to_number(text, name)


def _datatake_id(product: Metadata) -> str:
    for element in product.all("Datatake"):
        if identifier := element.get("datatakeIdentifier"):
            return identifier
    raise InvalidProductError(f"{product.label}: no Datatake with a datatakeIdentifier")


def _orbit_state(product: Metadata) -> Literal["ascending", "descending"] | None:
    text = (product.text("SENSING_ORBIT_DIRECTION") or "").lower()
    if text not in ("ascending", "descending"):
        return None
    return cast("Literal['ascending', 'descending']", text)


def _positive(product: Metadata, *names: str) -> float:
    value = product.need_number(*names)
    if value <= 0:
        raise InvalidProductError(f"{product.label}: {names[0]} is {value}, it must be positive")
    return value


def _offsets(product: Metadata, level: Level) -> dict[str, float]:
    """Offset of each band, as it stands in the XML; empty where the product has none (before baseline 04.00)."""
    element_name = _ADD_OFFSET[level]
    offsets: dict[str, float] = {}
    for element in product.all(element_name):
        index = element.get("band_id", "")
        if not index.isdecimal() or int(index) >= len(BAND_IDS):
            raise InvalidProductError(f"{product.label}: {element_name} of band_id {index!r}: no such band")
        offsets[BAND_IDS[int(index)]] = product.to_number(element.text or "", element_name)
    missing = [band.name for band in bands_of(level) if offsets and band.name not in offsets]
    if missing:
        raise InvalidProductError(f"{product.label}: {element_name} is given, but not for {', '.join(missing)}")
    return offsets


def _nodata(product: Metadata) -> int:
    for element in product.all("Special_Values"):
        if child_text(element, "SPECIAL_VALUE_TEXT") == "NODATA":
            return int(product.to_number(child_text(element, "SPECIAL_VALUE_INDEX") or "", "SPECIAL_VALUE_INDEX"))
    return 0


def _layer_radiometry(product: Metadata, name: str) -> Radiometry:
    layer = LAYERS[name]
    scale = 1.0
    if name in ("AOT", "WVP"):
        elements = (f"{name}_QUANTIFICATION_VALUE", f"L2A_{name}_QUANTIFICATION_VALUE")
        scale = 1 / _positive(product, *elements) if product.text(*elements) else 1 / 1000
    return Radiometry(scale=scale, nodata=layer.nodata, unit=layer.unit)


def _finest(granule: Metadata, name: str) -> Element:
    elements = [element for element in granule.all(name) if element.get("resolution", "").isdecimal()]
    if not elements:
        raise InvalidProductError(f"{granule.label}: no {name} in the tile's geocoding")
    return min(elements, key=lambda element: int(element.get("resolution", "")))
