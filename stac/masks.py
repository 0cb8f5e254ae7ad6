"""Cloud masks: the fields of the stored `MASK` image, and the profiles by which a request names what to leave out.

The profiles cm001..cm004 are the predecessor's masks with one set of default parameters. `MASK` is uint16 on the 10 m
grid; the value 0 is nodata (scene class 0, probability 0, no mask).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stac.bands import SCENE_CLASSES
from stac.errors import UnknownNameError

NODATA = 0
UNKNOWN_CLASS = 15
UNKNOWN_PROBABILITY = 127


@dataclass(frozen=True, kw_only=True)
class Field:
    """A bit field of `MASK`: its first bit (least significant = 0), its length in bits, and what it is made from.

    `tool` names what has to be installed to make it; None where nothing but ourselves.
    """

    name: str
    offset: int
    length: int
    description: str
    sources: tuple[str, ...]
    tool: str | None = None

    def read(self, mask: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Values of the field in `mask`, same shape."""
        return (mask >> np.uint16(self.offset)) & np.uint16((1 << self.length) - 1)

    def write(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """`values` shifted to the field's place, ready to be or-ed."""
        return values.astype(np.uint16) << np.uint16(self.offset)


@dataclass(frozen=True, kw_only=True)
class MaskDefaults:
    """Default parameters of the derived masks. Distances are pixels of the 20 m grid."""

    cm001_probability: int = 25
    cm001_dilation: int = 5
    cm002_b11_reflectance: float = 0.15
    cm002_water_dilation: int = 5
    cm002_final_dilation: int = 6
    cm003_probability: int = 1
    cm003_iterations: int = 5
    cm004_classes: tuple[int, ...] = (3, 8, 9, 10)
    cm004_iterations: int = 1


DEFAULTS = MaskDefaults()

_FIELDS = (
    Field(
        name="scl",
        offset=0,
        length=4,
        description="Scene class by Sen2Cor, 0 to 11; 15 = unknown",
        sources=("SCL",),
    ),
    Field(
        name="cm001",
        offset=4,
        length=1,
        description="Cloud probability above 25 %, opened by a 3x3 cross, dilated by 100 m",
        sources=("CLDPRB",),
    ),
    Field(
        name="cm002",
        offset=5,
        length=1,
        description="CM001 without bright water and beaches (B11 reflectance below 0.15), dilated by 120 m",
        sources=("CLDPRB", "B11"),
    ),
    Field(
        name="cm003",
        offset=6,
        length=1,
        description="Cloud probability of at least 1 %, dilated by 5 x 40 m",
        sources=("CLDPRB",),
    ),
    Field(
        name="cm004",
        offset=7,
        length=1,
        description="Scene classes shadow, cloud medium and high, thin cirrus, dilated by 40 m",
        sources=("SCL",),
    ),
    Field(
        name="cloud_probability",
        offset=8,
        length=7,
        description="Cloud probability by Sen2Cor in per cent; 127 = unknown",
        sources=("CLDPRB",),
    ),
    Field(
        name="ocm",
        offset=15,
        length=1,
        description="Thick or thin cloud or shadow by OmniCloudMask, not grown",
        sources=("B04", "B03", "B8A"),
        tool="omnicloudmask",
    ),
)
FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _FIELDS})
USUAL_FIELDS = tuple(field.name for field in _FIELDS if field.tool is None)
"""Fields of every complete product."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A cloud mask that a request may name; `field` is what it reads, None for no mask at all."""

    name: str
    title: str
    description: str
    field: str | None
    classes: tuple[int, ...] = ()
    above: int | None = None

    @cached_property
    def _is_left_out(self) -> NDArray[np.bool_]:
        """By value of the field: a table is looked up many times faster than `numpy.isin` decides."""
        return np.isin(np.arange(1 << FIELDS[self.field or "scl"].length), self.classes)

    def masked(self, mask: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Which pixels of `mask` the profile leaves out, same shape."""
        if self.field is None:
            return np.zeros(mask.shape, dtype=np.bool_)
        values = FIELDS[self.field].read(mask)
        if self.classes:
            return self._is_left_out[values]
        return values > (0 if self.above is None else self.above)


_PROFILES = (
    Profile(name="none", title="No mask", description="Every pixel that is not nodata", field=None),
    Profile(
        name="scl",
        title="Scene classification",
        description="Leaves out saturated, cloud shadow, cloud medium and high, thin cirrus, and unknown classes",
        field="scl",
        classes=(0, 1, 3, 8, 9, 10, UNKNOWN_CLASS),
    ),
    Profile(name="cm001", title="CM001", description=FIELDS["cm001"].description, field="cm001"),
    Profile(name="cm002", title="CM002-B11", description=FIELDS["cm002"].description, field="cm002"),
    Profile(name="cm003", title="CM003-PRB1-ITER5", description=FIELDS["cm003"].description, field="cm003"),
    Profile(
        name="cm004",
        title="CM004-CSH1-CMP1-CHP1-TCI1-ITER1",
        description=FIELDS["cm004"].description,
        field="cm004",
    ),
    Profile(
        name="cldprb",
        title="Cloud probability",
        description="Leaves out cloud probability above 25 %",
        field="cloud_probability",
        above=25,
    ),
    Profile(name="ocm", title="OmniCloudMask", description=FIELDS["ocm"].description, field="ocm"),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _PROFILES})
DEFAULT_PROFILE = "scl"


def get_profile(name: str) -> Profile:
    """The mask profile called `name`, or by the predecessor's name; raises `UnknownNameError` naming the choices."""
    wanted = name.strip().lower()
    for profile in PROFILES.values():
        if wanted in (profile.name, profile.title.lower()):
            return profile
    raise UnknownNameError(f"unknown mask {name[:40]!r}: choose from {', '.join(PROFILES)}")


def fields_from(sources: Collection[str]) -> tuple[Field, ...]:
    """The fields that we can make when the images `sources` are at hand, without further tools."""
    return tuple(field for field in FIELDS.values() if field.tool is None and set(field.sources) <= set(sources))


def cloud_probability(mask: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Cloud probability in per cent, 0 to 100, NaN where unknown; same shape as `mask`."""
    values = FIELDS["cloud_probability"].read(mask)
    return np.where(values > 100, np.nan, values.astype(np.float64))  # noqa: PLR2004


def bitfields(names: Collection[str]) -> list[dict[str, Any]]:
    """`classification:bitfields` of a `MASK` asset that holds the fields `names` (STAC classification extension 2).

    Short, since it stands in every item; what the values mean is in `value_classes`.
    """
    return [
        {"name": field.name, "offset": field.offset, "length": field.length, "classes": _short_classes(field)}
        for field in FIELDS.values()
        if field.name in names
    ]


def value_classes(field: Field) -> list[dict[str, Any]]:
    """The values of a field with their meaning, as classes of the classification extension."""
    if field.name == "scl":
        return [
            {"value": c.value, "name": c.name, "description": c.description, "color_hint": c.color.upper()}
            for c in SCENE_CLASSES
        ] + [{"value": UNKNOWN_CLASS, "name": "unknown", "description": "No class of Sen2Cor's"}]
    if field.length == 1:
        return [
            {"value": 0, "name": "clear", "description": "Not masked"},
            {"value": 1, "name": "masked", "description": "Masked"},
        ]
    return [{"value": UNKNOWN_PROBABILITY, "name": "unknown", "description": "No probability known"}]


def described_bitfields() -> list[dict[str, Any]]:
    """All fields of `MASK` with their descriptions and all classes, for the collection."""
    return [
        entry | {"description": field.description, "classes": value_classes(field)}
        for field, entry in zip(FIELDS.values(), bitfields(FIELDS), strict=True)
    ]


def _short_classes(field: Field) -> list[dict[str, Any]]:
    return [{"value": each["value"], "name": each["name"]} for each in value_classes(field)]
