"""The spans of time over which acquisitions are summed up: days and weeks counted, months, dekads and years as such."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from tiler.series.errors import SeriesRequestError

_DURATION = re.compile(
    r"P(?=\d)(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,4})M)?(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?"
)
_NAMED = ("dekad", "isoweek", "epiweek")
_MONDAY = date(1970, 1, 5)
_WEEK = 7
_FIRST_DAYS = (1, 11, 21)

Unit = Literal["day", "month", "dekad", "isoweek", "epiweek"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A rule that cuts time into periods; `text` is how the request spells it."""

    text: str
    unit: Unit
    size: int = 1


@dataclass(frozen=True, kw_only=True, order=True)
class Period:
    """Days from `start` up to, not including, `end`, and what people call them."""

    start: date
    end: date
    label: str

    @property
    def begins(self) -> datetime:
        """Midnight, UTC, at which it starts."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)


def parse_step(text: str) -> Step | None:
    """A named step or an ISO 8601 duration of whole days; None for `none`. Raises `SeriesRequestError`."""
    name = text.lower()
    if name == "none":
        return None
    if name in _NAMED:
        return Step(text=name, unit=name)  # type: ignore[arg-type]
    match = _DURATION.fullmatch(text.upper())
    if match is None:
        raise SeriesRequestError(
            f"step={text!r} is unknown: write {', '.join(_NAMED)} or an ISO 8601 duration such as P7D, P10D, P1M or P1Y"
        )
    years, months, weeks, days = (int(found or 0) for found in match.group("years", "months", "weeks", "days"))
    calendar, counted = 12 * years + months, _WEEK * weeks + days
    if calendar and counted:
        raise SeriesRequestError(f"step={text!r} mixes months with days: write one or the other")
    if not calendar and not counted:
        raise SeriesRequestError(f"step={text!r} has no length")
    return Step(text=text.upper(), unit="month" if calendar else "day", size=calendar or counted)


def periods(step: Step, first: datetime, last: datetime, anchor: datetime | None) -> Iterator[Period]:
    """Every period from the one that holds `first` to the one that holds `last`, without gaps.

    Days and weeks are counted from the day of `anchor` (the start of the request's datetime), else from Monday
    1970-01-05; months from January of the year 0 on, so that P3M is the quarter. All in UTC.
    """
    period = _holding(step, first.astimezone(UTC).date(), anchor.astimezone(UTC).date() if anchor else _MONDAY)
    while period.start <= last.astimezone(UTC).date():
        yield period
        if period.end == date.max:
            return
        period = _holding(step, period.end, period.end)


def _holding(step: Step, day: date, anchor: date) -> Period:
    return _MAKERS[step.unit](step, day, anchor)


def _days(step: Step, day: date, anchor: date) -> Period:
    start = _moved(day, -((day - anchor).days % step.size))
    return Period(start=start, end=_moved(start, step.size), label=f"{start}/{step.text}")


def _months(step: Step, day: date, _: date) -> Period:
    number = (12 * day.year + day.month - 1) // step.size * step.size
    start, end = _month(number), _month(number + step.size)
    shown = {1: f"{start:%Y-%m}", 12: f"{start:%Y}"}
    return Period(start=start, end=end, label=shown.get(step.size, f"{start}/{step.text}"))


def _dekads(_: Step, day: date, __: date) -> Period:
    """Days 1-10, 11-20 and 21 to the end of each month."""
    position = min((day.day - 1) // 10, 2)
    start = day.replace(day=_FIRST_DAYS[position])
    last = position == len(_FIRST_DAYS) - 1
    end = _month(12 * day.year + day.month) if last else day.replace(day=_FIRST_DAYS[position + 1])
    return Period(start=start, end=end, label=f"{start:%Y-%m}-D{position + 1}")


def _iso_weeks(_: Step, day: date, __: date) -> Period:
    """ISO 8601: Monday to Sunday; week 1 holds the first Thursday of the year."""
    year, week, weekday = day.isocalendar()
    start = _moved(day, 1 - weekday)
    return Period(start=start, end=_moved(start, _WEEK), label=f"{year}-W{week:02d}")


def _epidemiological_weeks(_: Step, day: date, __: date) -> Period:
    """CDC's MMWR weeks: Sunday to Saturday; week 1 is the first with four days or more in the year."""
    start = _moved(day, -(day.isoweekday() % _WEEK))
    middle = _moved(start, 3)
    week = (middle - date(middle.year, 1, 1)).days // _WEEK + 1
    return Period(start=start, end=_moved(start, _WEEK), label=f"{middle.year}-EW{week:02d}")


def _moved(day: date, days: int) -> date:
    ordinal = day.toordinal() + days
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))


def _month(number: int) -> date:
    year, month = divmod(number, 12)
    if year < 1:
        return date.min
    return date(year, month + 1, 1) if year <= date.max.year else date.max


def count_at_most(step: Step, first: datetime, last: datetime) -> int:
    """How many periods there are between two moments, or a few more; without making them."""
    days = {"day": 1.0, "month": 28.0, "dekad": 8.0, "isoweek": 7.0, "epiweek": 7.0}[step.unit] * step.size
    return int((last - first) / timedelta(days=days)) + 2


_MAKERS: dict[Unit, Callable[[Step, date, date], Period]] = {
    "day": _days,
    "month": _months,
    "dekad": _dekads,
    "isoweek": _iso_weeks,
    "epiweek": _epidemiological_weeks,
}
