"""Reflectance spectra of the sample landscape's materials, and a simple atmosphere for level 1C.

Round numbers typical of published surface reflectances of Sentinel-2 bands over South-East Asia; they need to be
believable, not measured. Order of the 13 values: `stac.bands.BAND_IDS`.
"""

from stac.bands import BAND_IDS

MATERIALS = ("river", "lake", "flooded", "rice", "forest", "shrub", "straw", "soil", "built")

_TABLE: dict[str, tuple[float, ...]] = {
    "river": (0.058, 0.070, 0.095, 0.092, 0.082, 0.050, 0.046, 0.038, 0.033, 0.022, 0.001, 0.010, 0.006),
    "lake": (0.040, 0.046, 0.055, 0.034, 0.026, 0.016, 0.014, 0.012, 0.010, 0.006, 0.001, 0.001, -0.002),
    "flooded": (0.060, 0.068, 0.088, 0.080, 0.082, 0.078, 0.080, 0.078, 0.074, 0.050, 0.001, 0.048, 0.030),
    "rice": (0.026, 0.030, 0.066, 0.032, 0.098, 0.300, 0.375, 0.400, 0.415, 0.400, 0.002, 0.190, 0.085),
    "forest": (0.022, 0.027, 0.050, 0.031, 0.076, 0.205, 0.258, 0.278, 0.295, 0.290, 0.002, 0.145, 0.066),
    "shrub": (0.030, 0.038, 0.072, 0.048, 0.106, 0.235, 0.285, 0.305, 0.325, 0.320, 0.002, 0.215, 0.115),
    "straw": (0.058, 0.074, 0.108, 0.138, 0.178, 0.212, 0.236, 0.258, 0.278, 0.282, 0.002, 0.335, 0.235),
    "soil": (0.070, 0.088, 0.126, 0.168, 0.198, 0.218, 0.234, 0.252, 0.268, 0.272, 0.003, 0.340, 0.270),
    "built": (0.100, 0.116, 0.142, 0.160, 0.176, 0.190, 0.200, 0.216, 0.222, 0.220, 0.003, 0.262, 0.230),
}
SPECTRA: dict[str, dict[str, float]] = {
    band: {material: _TABLE[material][index] for material in MATERIALS} for index, band in enumerate(BAND_IDS)
}


def _by_band(values: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(BAND_IDS, values, strict=True))


CLOUD: dict[str, float] = _by_band((0.68, 0.67, 0.67, 0.68, 0.70, 0.71, 0.72, 0.72, 0.72, 0.50, 0.03, 0.42, 0.34))
"""Reflectance of an opaque cloud."""

PATH: dict[str, float] = _by_band(
    (0.105, 0.078, 0.046, 0.027, 0.021, 0.017, 0.014, 0.011, 0.009, 0.003, 0.001, 0.002, 0.001)
)
"""What the clear atmosphere adds at its top, mostly Rayleigh scattering."""

TRANSMITTANCE: dict[str, float] = _by_band(
    (0.78, 0.83, 0.87, 0.90, 0.90, 0.92, 0.92, 0.92, 0.96, 0.42, 0.02, 0.96, 0.95)
)
"""Share of the surface reflectance seen at the top of the atmosphere, both ways."""
