"""Spans of time, and how they are written: RFC 3339."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from tiler.series.errors import SeriesRequestError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A span of time, ends included; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        if self.start is not None and self.start == self.end:
            return format_time(self.start)
        return "/".join(".." if end is None else format_time(end) for end in (self.start, self.end))


EVER = Interval()


def parse_interval(text: str) -> Interval:
    """An RFC 3339 instant or interval; `..` or nothing is an open end, a bare date means the whole day."""
    ends = text.split("/")
    if len(ends) == 1:
        return Interval(start=_parse_time(text, last=False), end=_parse_time(text, last=True))
    if len(ends) != 2:  # noqa: PLR2004
        raise SeriesRequestError(f"datetime={text!r} is neither an instant nor an interval start/end")
    start, end = (
        None if end in ("", "..") else _parse_time(end, last=last)
        for end, last in zip(ends, (False, True), strict=True)
    )
    if start is not None and end is not None and start > end:
        raise SeriesRequestError(f"datetime={text!r} ends before it starts")
    return Interval(start=start, end=end)


def format_instant(moment: datetime) -> str:
    """RFC 3339 in UTC, always with milliseconds: of a column in two forms, pandas and R read one and drop the other."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + (f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else "") + "Z"


def _parse_time(text: str, *, last: bool) -> datetime:
    try:
        if _DATE.fullmatch(text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day.replace(hour=23, minute=59, second=59, microsecond=999_999) if last else day
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper().replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SeriesRequestError(f"datetime={text!r}: {error}") from error
    raise SeriesRequestError(
        f"datetime={text!r} is not RFC 3339: write 2025-01-05T03:11:21Z, or 2025-01-01T00:00:00Z/.. for an interval"
    )
