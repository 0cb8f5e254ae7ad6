"""What the answers hold that no web framework sees being made, as models: for the OpenAPI document and its readers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from stac.jobs import Status as JobStatus
from tiler.series.rows import Status

Number = float | None


class Link(BaseModel):
    """A link as STAC has them."""

    model_config = ConfigDict(extra="allow")

    rel: str
    href: str
    type: str | None = None
    title: str | None = None
    method: str | None = None
    size: Annotated[int | None, Field(alias="file:size", description="bytes")] = None


class SeriesRow(BaseModel):
    """A row of the default profile; other names are percentiles asked for, or the feature's own attributes.

    `end`, `period`, `acquisitions` and `clear` are those of a step.
    """

    model_config = ConfigDict(extra="allow")

    feature_id: str
    datetime: str
    end: str | None = None
    period: str | None = None
    acquisitions: int | None = None
    clear: int | None = None
    index: str
    mean: Number
    min: Number
    max: Number
    std: Number
    median: Number
    p25: Number = None
    p75: Number = None
    count: Annotated[Number, Field(description="pixels as read, of areas their weight: valid + masked + nodata")]
    valid: Number
    masked: Number
    nodata: Number
    valid_fraction: Annotated[Number, Field(description="0 to 1")]
    cloud_probability: Number
    tile: Annotated[str, Field(description="more than one, where a feature lies on several, with spaces between")]
    item_id: str
    baseline: str
    mask: str
    status: Status
    reason: str | None


class SeriesSummary(BaseModel):
    """The last line of a stream: without it, the answer was cut short."""

    model_config = ConfigDict(extra="allow")

    type: Literal["summary"]
    rows: int
    dropped: Annotated[int, Field(description="rows with too few valid pixels")]
    message: Annotated[str, Field(description="why there is no row")] = ""


class SeriesStop(BaseModel):
    """The last line of a stream whose source went away meanwhile."""

    type: Literal["error"]
    detail: str


class TimeSeries(BaseModel):
    """A series as columns of equal length, named as the properties of `SeriesRow`."""

    type: Literal["timeseries"]
    query: dict[str, Any]
    software: dict[str, str]
    columns: list[str]
    data: dict[str, list[Any]]
    summary: dict[str, Any]
    links: list[Link]


class Explanation(BaseModel):
    """What a request would read (`explain=true`)."""

    model_config = ConfigDict(extra="allow")

    query: dict[str, Any]
    features: int
    dates: int
    estimated_seconds: float


class Place(BaseModel):
    """A place of a user's file, in degrees."""

    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any]
    properties: dict[str, Any]


class Placed(BaseModel):
    """What was done to a feature of a file."""

    feature_id: str
    done: list[str]


class LeftOut(BaseModel):
    """A feature that could not be used, counted from 0."""

    position: int
    reason: str


class UploadReport(BaseModel):
    """What became of a user's file."""

    format: str
    layer: str
    crs: str
    features: list[Placed]
    left_out: list[LeftOut]
    note: str | None = None


class Places(BaseModel):
    """The places of a user's file."""

    type: Literal["FeatureCollection"]
    features: list[Place]
    report: UploadReport


class JobProgress(BaseModel):
    """How many of a job's parts are done."""

    chunks: int
    done: int
    failed: int
    rows: int


class JobRequest(BaseModel):
    """What a job was asked: the parameters that were given or are the default, and of how many features."""

    model_config = ConfigDict(extra="allow")

    index: str | None = None
    step: str | None = None
    features: int


class Job(BaseModel):
    """A large extraction."""

    model_config = ConfigDict(extra="allow")

    id: str
    status: JobStatus
    message: str | None
    created: datetime
    updated: datetime
    ended: datetime | None
    expires: datetime
    progress: JobProgress
    request: JobRequest
    links: list[Link]


class JobLimits(BaseModel):
    """How large a job may be, and whether there are any."""

    model_config = ConfigDict(extra="allow")

    available: bool


class Jobs(BaseModel):
    """Jobs asked for by their ids."""

    jobs: list[Job]
    limits: JobLimits
    links: list[Link]


MODELS: tuple[type[BaseModel], ...] = (SeriesRow, SeriesSummary, SeriesStop, TimeSeries, Explanation, Places, Job, Jobs)


def schema(*models: type[BaseModel]) -> dict[str, Any]:
    """The schema of an answer that is one of these documents."""
    kinds = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def with_models(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with what its answers refer to."""
    modes: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in MODELS]
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    return document
