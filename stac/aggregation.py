"""Counts and histograms of the items that a search matches, in one SQL statement. Pure, no web framework."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stac.errors import SearchError
from stac.vocabulary import nearest

CONFORMANCE = "https://api.stacspec.org/v0.3.0/aggregation"
Interval = Literal["day", "week", "month", "year"]
INTERVALS: tuple[str, ...] = get_args(Interval)
DEFAULT_INTERVAL: Interval = "month"

type Bucket = dict[str, Any]

_CLOUD_STEP = 10
_FREQUENCY: Literal["frequency_distribution"] = "frequency_distribution"
# Of pgSTAC's table of items.
_COLUMNS: Mapping[str, str] = {
    "collection": "collection",
    "datetime": "datetime AT TIME ZONE 'UTC'",
    "platform": "content->'properties'->>'platform'",
    "grid_code": "content->'properties'->>'grid:code'",
    "cloud_cover": "(content->'properties'->>'eo:cloud_cover')::float8",
}


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """Something that can be counted: `value` is SQL over `column`, a single value or the key of a bucket."""

    name: str
    data_type: Literal["integer", "datetime", "frequency_distribution"]
    value: str
    column: str | None = None
    bucket: Callable[[Any, int], Bucket] | None = None

    def sql(self, interval: str) -> str:
        """SQL expression over `matched`: a value, or a JSON array of [key, frequency]."""
        value = self.value.format(interval=interval)
        if self.data_type != _FREQUENCY:
            return f"(SELECT {value} FROM matched)"  # noqa: S608 - of the table below and the intervals
        return (
            "(SELECT coalesce(jsonb_agg(jsonb_build_array(key, frequency) ORDER BY key), '[]') FROM "  # noqa: S608
            f"(SELECT {value} AS key, count(*) AS frequency FROM matched WHERE {self.column} IS NOT NULL GROUP BY 1) b)"
        )


def _text_bucket(key: str, frequency: int) -> Bucket:
    return {"key": key, "data_type": "string", "frequency": frequency}


def _time_bucket(key: str, frequency: int) -> Bucket:
    return {"key": key, "data_type": "datetime", "frequency": frequency}


def _cloud_bucket(step: int, frequency: int) -> Bucket:
    low, high = step * _CLOUD_STEP, (step + 1) * _CLOUD_STEP
    return {"key": f"{low}-{high}", "data_type": "numeric", "frequency": frequency, "from": low, "to": high}


def _terms(column: str) -> Aggregation:
    return Aggregation(
        name=f"{column}_frequency", data_type=_FREQUENCY, value=column, column=column, bucket=_text_bucket
    )


def _iso(sql: str) -> str:
    return f"""to_char({sql}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def _exactly(sql: str) -> str:
    """To the microsecond: from the first to the last is a search that finds both."""
    return f"""to_char({sql}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


_ALL = (
    Aggregation(name="total_count", data_type="integer", value="count(*)"),
    Aggregation(name="datetime_min", data_type="datetime", value=_exactly("min(datetime)"), column="datetime"),
    Aggregation(name="datetime_max", data_type="datetime", value=_exactly("max(datetime)"), column="datetime"),
    Aggregation(
        name="datetime_frequency",
        data_type=_FREQUENCY,
        value=_iso("date_trunc('{interval}', datetime)"),
        column="datetime",
        bucket=_time_bucket,
    ),
    Aggregation(
        name="cloud_cover_frequency",
        data_type=_FREQUENCY,
        value=f"least(floor(cloud_cover / {_CLOUD_STEP}), {100 // _CLOUD_STEP - 1})::int",
        column="cloud_cover",
        bucket=_cloud_bucket,
    ),
    _terms("grid_code"),
    _terms("platform"),
    _terms("collection"),
)
AGGREGATIONS: Mapping[str, Aggregation] = {one.name: one for one in _ALL}


def chosen(names: Iterable[str] | None) -> list[Aggregation]:
    """The aggregations of these names, `total_count` if there are none; raises `SearchError`, naming the nearest."""
    wanted = list(dict.fromkeys(names or ("total_count",)))
    for name in wanted:
        if name not in AGGREGATIONS:
            raise SearchError(f"unknown aggregation {name!r}: {nearest(name, AGGREGATIONS)}")
    return [AGGREGATIONS[name] for name in wanted]


def check_interval(interval: str) -> None:
    """Raise `SearchError` for an interval by which times are not counted."""
    if interval not in INTERVALS:
        raise SearchError(f"unknown datetime_frequency_interval {interval!r}: choose from {', '.join(INTERVALS)}")


def statement(wanted: Iterable[Aggregation], interval: str, where: str) -> str:
    """SQL that yields one JSON object: `total`, and a value by the name of each aggregation.

    `where` comes from pgSTAC, which quotes what a user gave; nothing else of a request gets into the text.
    """
    asked = list(wanted)
    check_interval(interval)
    names = sorted({one.column for one in asked if one.column})
    columns = ", ".join(["1 AS one", *(f"{_COLUMNS[name]} AS {name}" for name in names)])
    pairs = ", ".join(f"'{one.name}', {one.sql(interval)}" for one in asked)
    return (
        f"WITH matched AS MATERIALIZED (SELECT {columns} FROM items WHERE {where}) "  # noqa: S608
        f"SELECT jsonb_build_object('total', (SELECT count(*) FROM matched), {pairs})"
    )


def describe(wanted: Iterable[Aggregation], counted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The aggregations as the extension has them; `overflow` counts the items in no bucket, for want of a value."""
    return [_described(one, counted[one.name], counted["total"]) for one in wanted]


def _described(one: Aggregation, value: Any, total: int) -> dict[str, Any]:
    document: dict[str, Any] = {"name": one.name, "data_type": one.data_type}
    if one.bucket is None:
        return document | {"value": value}
    held = sum(frequency for _, frequency in value)
    return document | {"overflow": total - held, "buckets": [one.bucket(key, frequency) for key, frequency in value]}
