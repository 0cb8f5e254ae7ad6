"""A time-series request: its parameters, parsed and checked. A wrong value is refused with the choices there are."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import cql2

from stac.bands import BANDS, LAYERS
from stac.collections import INDICES as INDICES_COLLECTION
from stac.collections import L1C, L2A
from stac.errors import SearchError, UnknownNameError
from stac.filters import properties
from stac.indices import INDICES, Index, get_index, stored_indices
from stac.masks import DEFAULT_PROFILE, Profile, get_profile
from stac.operands import settled
from stac.search import check_text
from stac.vocabulary import check_properties
from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.interval import EVER, Interval, parse_interval
from tiler.series.periods import Step, count_at_most, parse_step
from tiler.series.resolution import FINEST, RESOLUTIONS, choices, gsd

COLLECTIONS = (INDICES_COLLECTION, L2A, L1C)

PixelRule = Literal["exact", "centre", "touched"]
OutputProfile = Literal["default", "sen2chain", "wide", "excel"]
Smoothing = Literal["none", "savgol"]
Order = Literal["newest", "oldest"]
PARAMETERS = (
    "index", "assets", "datetime", "mask", "min_valid", "max_cloud_cover", "filter", "filter-lang", "pixels", "step",
    "smooth", "percentiles", "profile", "order", "resolution", "f", "explain",
)  # fmt: skip

_MOST_PERCENTILES = 20
_MOST_FILTER_CHARACTERS = 10_000
_MOST_STEPS = 5_000


@dataclass(frozen=True, kw_only=True)
class SeriesRequest:
    """What to read, where from, and how to sum it up. Either `indices` or `assets` is given."""

    collection: str
    indices: tuple[Index, ...] = ()
    assets: tuple[str, ...] = ()
    interval: Interval = EVER
    mask: Profile
    min_valid: float = 0.0
    max_cloud_cover: float | None = None
    filter: Mapping[str, Any] | None = None
    pixels: PixelRule = "exact"
    percentiles: tuple[float, ...] = (25.0, 75.0)
    profile: OutputProfile = "default"
    order: Order = "newest"
    step: Step | None = None
    smooth: Smoothing = "none"
    resolution: int = FINEST

    @property
    def sources(self) -> tuple[str, ...]:
        """Assets that values may be read from: bands of indices that are not stored included."""
        return (*self.assets, *(name for index in self.indices for name in (index.name, *index.bands)))

    @property
    def names(self) -> tuple[str, ...]:
        """What each row's `index` may say, in the order asked."""
        return tuple(index.name for index in self.indices) or self.assets

    @property
    def images(self) -> int:
        """How many images of each item are read at most: the mask, and the names asked for or their bands."""
        return 1 + max(len(self.names), len({band for index in self.indices for band in index.bands}))

    def echo(self) -> dict[str, Any]:
        """The request as parameters that ask for the same again."""
        asked: dict[str, Any] = {
            "collection": self.collection,
            "index" if self.indices else "assets": ",".join(self.names),
            "datetime": str(self.interval),
            "mask": self.mask.name,
            "min_valid": self.min_valid,
            "max_cloud_cover": self.max_cloud_cover,
            "filter": json.dumps(self.filter) if self.filter else None,
            "pixels": self.pixels,
            "percentiles": ",".join(f"{p:g}" for p in self.percentiles),
            "profile": self.profile,
            "order": self.order,
            "step": self.step.text if self.step else None,
            "smooth": self.smooth if self.smooth != "none" else None,
            "resolution": self.resolution if self.resolution != FINEST else None,
        }
        return {name: value for name, value in asked.items() if value is not None}


def parse_request(
    collection: str, parameters: Mapping[str, str], *, default_mask: str = DEFAULT_PROFILE
) -> SeriesRequest:
    """The request that `parameters` (as in a query string) spell; raises `SeriesRequestError`."""
    _check_names(collection, parameters)
    given = {name: value.strip() for name, value in parameters.items() if value.strip()}
    if "index" in given and "assets" in given:
        raise SeriesRequestError("use either index or assets, not both")
    return _checked(
        SeriesRequest(
            collection=collection,
            indices=() if "assets" in given else _parse_indices(given.get("index", "NDVI")),
            assets=_parse_assets(given["assets"], collection) if "assets" in given else (),
            interval=parse_interval(given.get("datetime", "../..")),
            mask=_known(get_profile, given.get("mask", default_mask)),
            min_valid=_parse_number("min_valid", given.get("min_valid", "0"), 0, 1),
            max_cloud_cover=_parse_number("max_cloud_cover", given["max_cloud_cover"], 0, 100)
            if "max_cloud_cover" in given
            else None,
            filter=_parse_filter(given["filter"], given.get("filter-lang")) if "filter" in given else None,
            pixels=cast("PixelRule", _choose("pixels", given.get("pixels", "exact"), get_args(PixelRule))),
            percentiles=_parse_percentiles(given.get("percentiles", "25,75")),
            profile=_parse_profile(given.get("profile", "default")),
            order=cast("Order", _choose("order", given.get("order", "newest"), get_args(Order))),
            step=parse_step(given.get("step", "none")),
            smooth=cast("Smoothing", _choose("smooth", given.get("smooth", "none"), get_args(Smoothing))),
            resolution=_parse_resolution(given.get("resolution", str(FINEST))),
        )
    )


def parse_explain(parameters: Mapping[str, str]) -> bool:
    """Whether only the cost is asked for; raises `SeriesRequestError`."""
    return _choose("explain", parameters.get("explain", "").strip() or "false", ("true", "false")) == "true"


def _check_names(collection: str, parameters: Mapping[str, str]) -> None:
    if collection not in COLLECTIONS:
        raise SeriesRequestError(f"no series of collection {collection!r}: choose from {', '.join(COLLECTIONS)}")
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if unknown:
        raise SeriesRequestError(f"unknown parameter {unknown[0]!r}: choose from {', '.join(PARAMETERS)}")


def _checked(request: SeriesRequest) -> SeriesRequest:
    """What fits together; a span that is too long for its steps is refused before anything is read."""
    _check_resolution(request)
    if request.step is None:
        return request
    if request.smooth != "none":
        raise SeriesRequestError("use either step or smooth: a smoothed series has its own regular dates")
    if request.profile == "sen2chain":
        raise SeriesRequestError("profile=sen2chain has a row for each image: leave step out, or take another profile")
    if request.interval.start is not None and request.interval.end is not None:
        steps = count_at_most(request.step, request.interval.start, request.interval.end)
        if steps > _MOST_STEPS:
            raise SeriesTooLargeError(
                f"datetime={request.interval} holds about {steps} steps of {request.step.text}, at most {_MOST_STEPS} "
                "are made: ask for a shorter datetime or a longer step"
            )
    return request


def _parse_resolution(text: str) -> int:
    return int(_choose("resolution", text, tuple(map(str, RESOLUTIONS))))


def _check_resolution(request: SeriesRequest) -> None:
    fitting = choices(request.sources)
    if request.resolution not in fitting:
        raise SeriesRequestError(
            f"resolution={request.resolution} does not suit {', '.join(request.names)}, of which some pixels are "
            f"{max(map(gsd, request.sources))} m wide: choose from {', '.join(map(str, fitting))}"
        )


def _parse_profile(text: str) -> OutputProfile:
    """`long` is another name of the default: a row for each feature, acquisition and index."""
    name = "default" if text.lower() == "long" else text
    return cast("OutputProfile", _choose("profile", name, get_args(OutputProfile)))


def _known[T](lookup: Callable[[str], T], name: str) -> T:
    try:
        return lookup(name)
    except UnknownNameError as error:
        raise SeriesRequestError(str(error)) from error


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _parse_indices(text: str) -> tuple[Index, ...]:
    names = _split(text)
    if not names:
        raise SeriesRequestError(f"index is empty: choose from {', '.join(INDICES)}")
    return tuple(dict.fromkeys(_known(get_index, name) for name in names))


def _parse_assets(text: str, collection: str) -> tuple[str, ...]:
    choices = assets_of(collection)
    by_name = {name.upper(): name for name in choices}
    names = _split(text)
    unknown = [name for name in names if name.upper() not in by_name]
    if unknown or not names:
        shown = unknown[0] if unknown else text
        raise SeriesRequestError(f"no series of asset {shown!r} in {collection}: choose from {', '.join(choices)}")
    return tuple(dict.fromkeys(by_name[name.upper()] for name in names))


def assets_of(collection: str) -> tuple[str, ...]:
    """Assets of a collection whose pixels are single numbers."""
    if collection == INDICES_COLLECTION:
        return tuple(index.name for index in stored_indices())
    level = "L1C" if collection == L1C else "L2A"
    bands = [band.name for band in BANDS.values() if level in band.levels]
    return (*bands, *(layer.name for layer in LAYERS.values() if level in layer.levels and layer.name != "TCI"))


def _choose(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value.lower() not in choices:
        raise SeriesRequestError(f"{name}={value!r} is unknown: choose from {', '.join(choices)}")
    return value.lower()


def _parse_number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise SeriesRequestError(f"{name}={text!r} is no number from {low:g} to {high:g}")
    return value


def _parse_percentiles(text: str) -> tuple[float, ...]:
    values = tuple(dict.fromkeys(_parse_number("percentiles", part, 0, 100) for part in _split(text)))
    if len(values) > _MOST_PERCENTILES:
        raise SeriesRequestError(f"{len(values)} percentiles asked: at most {_MOST_PERCENTILES}")
    return values


def _parse_filter(text: str, language: str | None) -> Mapping[str, Any]:
    """CQL2 text or JSON, as CQL2 JSON."""
    if len(text) > _MOST_FILTER_CHARACTERS:
        raise SeriesRequestError(f"filter has {len(text)} characters: at most {_MOST_FILTER_CHARACTERS}")
    if language not in (None, "cql2-text", "cql2-json"):
        raise SeriesRequestError(f"filter-lang={language!r} is unknown: choose from cql2-text, cql2-json")
    try:
        expression = cql2.parse_json(text) if text.startswith("{") else cql2.parse_text(text)
        expression.validate()
        parsed: Any = expression.to_json()
    except (cql2.ParseError, cql2.ValidationError, ValueError) as error:
        raise SeriesRequestError(f"filter is no CQL2: {str(error).splitlines()[0][:300]}") from error
    if not isinstance(parsed, dict) or "op" not in parsed:
        raise SeriesRequestError('filter is no CQL2 condition, such as "eo:cloud_cover" < 20')
    try:
        check_text(parsed)
        check_properties(properties(parsed), "filter")
        settled(parsed)
    except SearchError as error:
        raise SeriesRequestError(str(error)) from error
    return parsed
