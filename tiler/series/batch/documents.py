"""What a job's files say: its request and features as they were asked, and the plan by which they are worked off."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from shapely.geometry import mapping, shape

from tiler.series.compact import compact
from tiler.series.features import Feature
from tiler.series.request import PARAMETERS, SeriesRequest, parse_request

REQUEST = "request.json"
FEATURES = "features.geojson"
PLAN = "plan.json"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """An overpass that the catalogue held when the job was planned: who, when, and the items of it."""

    platform: str
    take: str
    start: datetime
    end: datetime
    items: Sequence[str]

    @property
    def key(self) -> tuple[str, str]:
        """What names it, whatever its items are called after a reprocessing."""
        return self.platform, self.take


@dataclass(frozen=True, kw_only=True)
class ChunkPlan:
    """A part of the work: the features of a group over some overpasses (positions in the plan, half-open ranges).

    With `numbers`, the rows of these chunks of an earlier job are taken over instead of reading.
    """

    number: int
    group: int
    ranges: Sequence[tuple[int, int]]
    numbers: Sequence[int] = ()

    @property
    def passes(self) -> Iterable[int]:
        """Positions of its overpasses."""
        return (place for first, last in self.ranges for place in range(first, last))


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """Groups of features (half-open ranges), overpasses in the order of time, chunks; `earlier` is the job built on."""

    groups: Sequence[tuple[int, int]]
    passes: Sequence[Pass]
    chunks: Sequence[ChunkPlan]
    earlier: str | None = None

    def to_json(self) -> bytes:
        """As it lies in the bucket."""
        return json.dumps(asdict(self), default=_time).encode()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """As `to_json` wrote it."""
        return cls(
            groups=[(first, last) for first, last in document["groups"]],
            passes=[_pass(one) for one in document["passes"]],
            chunks=[_chunk(one) for one in document["chunks"]],
            earlier=document["earlier"],
        )


def parameters_of(request: SeriesRequest) -> dict[str, str]:
    """The parameters that ask for `request` again."""
    return {name: str(value) for name, value in request.echo().items() if name in PARAMETERS}


def request_of(document: Mapping[str, Any]) -> SeriesRequest:
    """The request that a `request.json` holds."""
    return parse_request(document["collection"], document["parameters"])


def features_to_json(features: Sequence[Feature]) -> bytes:
    """Checked features as GeoJSON, every digit kept."""
    told = [
        {
            "type": "Feature",
            "id": feature.id,
            "geometry": mapping(feature.geometry),
            "properties": feature.attributes,
        }
        for feature in features
    ]
    document = {"type": "FeatureCollection", "features": told}
    return compact(document).encode()


def features_of(document: Mapping[str, Any], first: int = 0, last: int | None = None) -> tuple[Feature, ...]:
    """Features as `features_to_json` wrote them: checked when they came, not again."""
    return tuple(
        Feature(id=entry["id"], geometry=shape(entry["geometry"]), attributes=entry["properties"])
        for entry in document["features"][first:last]
    )


def _pass(document: Mapping[str, Any]) -> Pass:
    times = {name: datetime.fromisoformat(document[name]) for name in ("start", "end")}
    return Pass(**{**document, **times})


def _chunk(document: Mapping[str, Any]) -> ChunkPlan:
    return ChunkPlan(**{**document, "ranges": [(first, last) for first, last in document["ranges"]]})


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
