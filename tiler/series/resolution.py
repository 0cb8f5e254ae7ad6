"""How large the pixels are that a request reads: which sizes there are, what they suit, when to suggest one. Pure.

Nothing is read coarser than it is stored unless the caller says so: where clouds are left out, the mean of coarse
pixels is not that of the fine ones.
"""

from collections.abc import Iterable

from stac.bands import BANDS, LAYERS

FINEST = 10
RESOLUTIONS = (FINEST, 20, 40)
"""Metres per pixel, of which each is read from images of any size that divides it, or that it divides."""


def gsd(name: str) -> int:
    """Metres per pixel of an asset as it is stored; mask and indices are on the finest grid."""
    known = BANDS.get(name) or LAYERS.get(name)
    return FINEST if known is None else known.gsd


def choices(names: Iterable[str]) -> tuple[int, ...]:
    """The resolutions in which the assets of `names` can be read together."""
    sizes = {gsd(name) for name in names}
    return tuple(one for one in RESOLUTIONS if all(one % size == 0 or size % one == 0 for size in sizes))


def coarser(asked: float, most: float, resolution: int, names: Iterable[str]) -> int | None:
    """The finest resolution in which `asked` pixels, of which `most` are read, would do; None if there is none."""
    return next((one for one in choices(names) if one > resolution and asked * (resolution / one) ** 2 <= most), None)


def advice(resolution: int | None) -> str:
    """What to add to a refusal where a coarser resolution would do."""
    return "" if resolution is None else f", or ask for pixels of {resolution} m with resolution={resolution}"
