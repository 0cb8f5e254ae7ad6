"""Cloud masks on tiles: `mask=scl` leaves clouds transparent, and in a mosaic the item beneath shows through."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import Query
from rio_tiler.errors import MissingAssets
from rio_tiler.models import ImageData
from titiler.core.dependencies import DefaultDependency

from stac.assets import MASK
from stac.masks import NODATA, PROFILES, Profile, get_profile

SCENE = "SCL"
_OF_VALUES = ("assets", "expression", "asset_as_band", "unscale", "nodata", "resampling_method", "reproject_method")


@dataclass
class MaskParams(DefaultDependency):
    """Which pixels are left out."""

    mask: Annotated[str | None, Query(description=f"cloud mask, one of {', '.join(PROFILES)}; none if not given")] = (
        None
    )


def masked_image(
    read: Callable[..., ImageData], name: str | None, described: Mapping[str, Any], /, *args: Any, **kwargs: Any
) -> ImageData:
    """What `read` reads, without the pixels that the profile `name` leaves out.

    `described` holds the item's assets by name.

    Raises `stac.errors.UnknownNameError` for an unknown profile, `MissingAssets` where the item cannot serve it.
    """
    profile = get_profile(name or "none")
    image = read(*args, **kwargs)
    held = [field["name"] for field in described.get(MASK, {}).get("classification:bitfields") or []]
    source = source_of(profile, held, described)
    if source is None:
        return image
    options = {key: value for key, value in kwargs.items() if key not in _OF_VALUES}
    bits = read(*args, assets=[source], **options).array.data[0].astype(np.uint16)
    out = profile.masked(bits) | (bits == NODATA)
    image.array.mask = np.ma.getmaskarray(image.array) | out[np.newaxis]
    return image


def source_of(profile: Profile, held: Collection[str], assets: Collection[str]) -> str | None:
    """The asset that holds what `profile` reads, None where it reads nothing; `held` are the fields of the item's mask.

    SCL has its classes where MASK has them, in its lowest bits. Raises `MissingAssets` for what no asset holds.
    """
    if profile.field is None:
        return None
    if profile.field in held:
        return MASK
    if profile.field == "scl" and SCENE in assets:
        return SCENE
    raise MissingAssets(
        f"mask={profile.name} is not held for this item (its mask holds {', '.join(held) or 'nothing'}): "
        "ask with another mask or with mask=none"
    )
