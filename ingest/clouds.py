"""The cloud-mask image of a product, from scene classes and cloud probability; parameters from `stac.masks.DEFAULTS`.

The masks CM001 to CM004 are the predecessor's, bit for bit, but for CM002, whose threshold here is a reflectance.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from stac.bands import SCENE_CLASSES
from stac.masks import DEFAULTS, FIELDS, UNKNOWN_CLASS, UNKNOWN_PROBABILITY

Mask = NDArray[np.bool_]

_CROSS = (0, 1, 0)
_ROUNDED_SQUARE = (1, 2, 2, 2, 1)
"""5x5 without its corners, the predecessor's element: 40 m per iteration on the 20 m grid."""


def disc(radius: int) -> tuple[int, ...]:
    """Half-width of each row of a disc of `radius` pixels; the predecessor's has three pixels at its poles, not one."""
    return tuple(isqrt(radius**2 + 1 - row**2) for row in range(-radius, radius + 1))


def dilate(mask: Mask, element: Sequence[int]) -> Mask:
    """Dilation by an element that is symmetric and convex in its rows, given as the half-width of each row.

    A row-wise running maximum per half-width, shifted and or-ed: cost is linear in the rows of the element, not in its
    area. Pixels beyond the border are clear.
    """
    reach = len(element) // 2
    out = np.zeros_like(mask)
    for half_width in sorted(set(element)):
        wide = maximum_filter1d(mask.view(np.uint8), 2 * half_width + 1, axis=1, mode="constant").view(np.bool_)
        for row in (i - reach for i, width in enumerate(element) if width == half_width):
            _or_shifted(out, wide, row)
    return out


def erode(mask: Mask, element: Sequence[int]) -> Mask:
    """Erosion, the dilation of the complement. Pixels beyond the border are clear."""
    padded = np.pad(~mask, 1, constant_values=True)
    return ~dilate(padded, element)[1:-1, 1:-1]


def cm001(probability: NDArray[np.uint8]) -> Mask:
    """Cloud probability above 25 %, opened against speckle, grown by 100 m."""
    seeds = erode(probability > DEFAULTS.cm001_probability, _CROSS)
    return dilate(seeds, disc(DEFAULTS.cm001_dilation))


def is_dark(b11: NDArray[np.floating[Any]]) -> Mask:
    """Where B11 (reflectance) is too dark for a cloud: below 0.15."""
    return np.asarray(b11 < DEFAULTS.cm002_b11_reflectance)


def cm002(probability: NDArray[np.uint8], dark: Mask) -> Mask:
    """CM001 without bright water and beaches: no cloud within 100 m of where B11 (20 m) `is_dark`, grown by 120 m."""
    return _without_dark(cm001(probability), dark)


def cm003(
    probability: NDArray[np.uint8],
    threshold: int = DEFAULTS.cm003_probability,
    iterations: int = DEFAULTS.cm003_iterations,
) -> Mask:
    """Cloud probability of at least `threshold` per cent, grown by `iterations` x 40 m."""
    return _grow(probability >= threshold, iterations)


def cm004(
    classes: NDArray[np.uint8],
    masked: Sequence[int] = DEFAULTS.cm004_classes,
    iterations: int = DEFAULTS.cm004_iterations,
) -> Mask:
    """Scene classes `masked`, grown by `iterations` x 40 m."""
    return _grow(np.isin(classes, masked), iterations)


def mask_image(
    classes: NDArray[np.uint8] | None,
    probability: NDArray[np.uint8] | None,
    dark: Mask | None,
    modelled: Mask | None = None,
) -> NDArray[np.uint16]:
    """The `MASK` image on the 20 m grid, its fields as in `stac.masks.FIELDS`, from what is at hand (same shapes).

    `dark` is where B11 `is_dark`, `modelled` what OmniCloudMask masks. Fields whose sources are missing hold "unknown"
    (class 15, probability 127) or 0. Outside the swath (scene class 0) the whole value is 0, which is nodata.
    """
    shape = next(image.shape for image in (classes, probability) if image is not None)
    parts: dict[str, NDArray[Any]] = {
        "scl": np.full(shape, UNKNOWN_CLASS, np.uint8),
        "cloud_probability": np.full(shape, UNKNOWN_PROBABILITY, np.uint8),
    }
    if classes is not None:
        parts["scl"] = np.where(classes > SCENE_CLASSES[-1].value, UNKNOWN_CLASS, classes)
        parts["cm004"] = cm004(classes)
    if probability is not None:
        parts["cloud_probability"] = np.where(probability > 100, UNKNOWN_PROBABILITY, probability)  # noqa: PLR2004
        parts["cm001"] = cm001(probability)
        parts["cm003"] = cm003(probability)
        if dark is not None:
            parts["cm002"] = _without_dark(parts["cm001"], dark)
    if modelled is not None:
        parts["ocm"] = modelled
    out = np.zeros(shape, np.uint16)
    for name, values in parts.items():
        out |= FIELDS[name].write(values)
    if classes is not None:
        out[classes == 0] = 0
    return out


def _without_dark(clouds: Mask, dark: Mask) -> Mask:
    near = dilate(dark, disc(DEFAULTS.cm002_water_dilation))
    return dilate(clouds & ~near, disc(DEFAULTS.cm002_final_dilation))


def _grow(mask: Mask, iterations: int) -> Mask:
    for _ in range(iterations):
        mask = dilate(mask, _ROUNDED_SQUARE)
    return mask


def _or_shifted(out: Mask, mask: Mask, rows: int) -> None:
    if rows == 0:
        out |= mask
    elif rows > 0:
        out[rows:] |= mask[:-rows]
    else:
        out[:rows] |= mask[-rows:]
