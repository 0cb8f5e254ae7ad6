"""What the products' metadata say about the instrument: per band, from ESA's spectral response functions (S2-SRF)."""

from dataclasses import dataclass

from stac.bands import BAND_IDS, BANDS

GAINS = (4.11, 3.75, 4.18, 4.51, 5.19, 4.85, 4.51, 6.13, 5.11, 8.49, 54.78, 35.12, 106.17)
IRRADIANCE = (
    1884.69, 1959.66, 1823.24, 1512.06, 1424.64, 1287.61, 1162.08, 1041.63, 955.32, 812.92, 367.15, 245.59, 85.25,
)  # fmt: skip
_RANGES = (
    (412, 456), (456, 533), (538, 583), (646, 684), (695, 714), (731, 749), (769, 797),
    (760, 907), (837, 881), (932, 958), (1337, 1412), (1539, 1682), (2078, 2320),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A spectral band as the metadata number it: `band_id` 0..12, `physical` such as `B1` or `B8A`; nm, W/m²/µm."""

    band_id: int
    band: str
    physical: str
    gsd: int
    shortest: int
    longest: int
    central: float
    irradiance: float
    gain: float


CHANNELS: tuple[Channel, ...] = tuple(
    Channel(
        band_id=index,
        band=band,
        physical=band if band == "B8A" else f"B{int(band[1:])}",
        gsd=BANDS[band].gsd,
        shortest=_RANGES[index][0],
        longest=_RANGES[index][1],
        central=round(BANDS[band].wavelength * 1000, 1),
        irradiance=IRRADIANCE[index],
        gain=GAINS[index],
    )
    for index, band in enumerate(BAND_IDS)
)
