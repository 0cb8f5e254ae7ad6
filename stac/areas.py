"""Watched areas: which places, days and products the archive is to hold. The DAG `discover_products` asks for them.

An area is the operator's, or a visitor's request, which fetches nothing until it is approved.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, cast

from psycopg import sql
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from shapely.errors import ShapelyError
from shapely.geometry import shape

from stac.areas_rules import Rule, faults
from stac.database import Connection, transaction
from stac.days import parse_day
from stac.errors import ExistsError, InvalidDocumentError, MissingError, UnknownNameError
from stac.indices import Index, get_index
from stac.masks import Profile, get_profile
from stac.naming import Tile, parse_baselines
from stac.settings import Settings

type Provider = Literal["cdse", "earth-search"]
type Level = Literal["l1c", "l2a"]
type State = Literal["requested", "approved"]
type Geometry = dict[str, Any]

WAITING_REQUESTS = 200
"""Requests that may wait for an answer; with more, no further one is taken."""
HOURLY_REQUESTS = 20
"""Requests that are taken within an hour, of all visitors together."""

_MOST_TILES = 500
_MOST_POINTS = 5000
_LARGEST_REQUEST = 10.0
_GEOMETRIES = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
_WHAT = "watched areas"
_LOCK = 7_305_013
_JSON = ("geometry", "retention")
_FIELDS = (
    "name", "tiles", "geometry", "first_day", "last_day", "max_cloud", "provider", "levels", "orbits", "baseline",
    "newest_only", "indices", "masks", "retention", "comment", "enabled", "state",
)  # fmt: skip


class TooManyRequestsError(Exception):
    """So many requests wait, or came within the last hour, that no other one is taken now."""


def check_geometry(found: Any) -> Geometry:
    """A GeoJSON geometry in degrees, as sent; raises `ValueError` for what is none, or has thousands of points."""
    if not isinstance(found, dict) or found.get("type") not in _GEOMETRIES:
        raise ValueError(f"no GeoJSON geometry: its type has to be one of {', '.join(sorted(_GEOMETRIES))}")
    try:
        place = shape(found)
        west, south, east, north = place.bounds
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"no GeoJSON geometry: {error}") from error
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004 - degrees; false of NaN too
        raise ValueError("the geometry has to lie within 180 degrees west and east, 90 degrees south and north")
    if place.is_empty or not place.is_valid:
        raise ValueError("the geometry is empty or crosses itself")
    plain = {"type": found["type"], "coordinates": found["coordinates"]}
    if json.dumps(plain, allow_nan=False).count("[") > _MOST_POINTS:
        raise ValueError(f"the geometry has more than {_MOST_POINTS} points: simplify it")
    return plain


def _tile(text: str) -> str:
    return str(Tile.parse(text))


def _day(text: str) -> str:
    parse_day(text, datetime.now(UTC).date())
    return text.strip().lower()


def _baselines(text: str) -> str:
    low, high = parse_baselines(text)
    if low and high and low > high:
        raise ValueError(f"no baseline lies from {low} to {high}")
    return text.strip()


def _named(lookup: Callable[[str], Index | Profile]) -> Callable[[str], str]:
    """What gives the name by which a table knows something, for users who know it by another."""

    def check(text: str) -> str:
        try:
            return lookup(text).name
        except UnknownNameError as error:
            raise ValueError(str(error)) from error

    return check


Day = Annotated[str, Field(max_length=20), AfterValidator(_day)]


class Area(BaseModel):
    """What is wanted of a place: of `tiles`, or what touches `geometry`, or both. Raises `pydantic.ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["tonle-sap"])
    tiles: list[Annotated[str, AfterValidator(_tile)]] = Field(default=[], max_length=_MOST_TILES, examples=[["48PWU"]])
    geometry: Annotated[Geometry | None, BeforeValidator(lambda found: found and check_geometry(found))] = Field(
        default=None, description="GeoJSON geometry in degrees (WGS 84)"
    )
    first_day: Day = Field(default="today-30", description="2026-01-31, today or today-30")
    last_day: Day = Field(default="today", description="as `first_day`; it is part of the period")
    max_cloud: float | None = Field(default=None, ge=0, le=100, description="most cloud cover, per cent")
    provider: Provider = "cdse"
    levels: list[Level] = Field(default=["l2a"], min_length=1, max_length=2)
    orbits: list[Annotated[int, Field(ge=1, le=143)]] = Field(
        default=[], max_length=143, description="relative orbits; empty: all"
    )
    baseline: Annotated[str, Field(min_length=4, max_length=20), AfterValidator(_baselines)] | None = Field(
        default=None, description="05.11, or a range: 05.00.. or ..04.00"
    )
    newest_only: bool = Field(default=True, description="of each acquisition only the newest product")
    indices: list[Annotated[str, AfterValidator(_named(get_index))]] = Field(
        default=[], max_length=100, description="which are stored of its products; empty: the archive's own choice"
    )
    masks: list[Annotated[str, AfterValidator(_named(get_profile))]] = Field(
        default=[], max_length=100, description="masks that are needed; all are made anyway, but ocm only if named"
    )
    retention: list[Rule] | None = Field(
        default=None, max_length=20, description="which products go; null: INGEST_RETENTION; empty: none"
    )
    enabled: bool = Field(default=True, description="whether it is asked for; only an approved one can be")
    state: State = "approved"
    comment: str = Field(default="", max_length=1000, description="the operator's; not public")

    @model_validator(mode="after")
    def _need_a_place(self) -> "Area":
        if not self.tiles and self.geometry is None:
            raise ValueError("name tiles or a geometry")
        if self.enabled and self.state == "requested":
            raise ValueError("a request is enabled by approving it")
        alike = self.first_day.startswith("today") == self.last_day.startswith("today")
        if alike and self.ended(datetime.now(UTC).date()):
            raise ValueError(f"the period from {self.first_day} to {self.last_day} is empty")
        return self

    def ended(self, today: date) -> bool:
        """Whether its period is over, as that of `today-30` until a fixed day once is."""
        return parse_day(self.first_day, today) > parse_day(self.last_day, today)

    def queries(self) -> list[dict[str, Any]]:
        """What to ask its provider for, one query per level, as `ingest.sources.query.query_of` takes them."""
        place = {"tiles": self.tiles, "area": self.geometry, "start": self.first_day, "end": self.last_day}
        rules: dict[str, Any] = {"max_cloud": self.max_cloud, "newest_only": self.newest_only}
        rules |= {"orbits": self.orbits, "baseline": self.baseline}
        return [{**place, **rules, "level": level} for level in dict.fromkeys(self.levels)]


@dataclass(frozen=True)
class Noted:
    """A request: the name of its area, and whether it was asked for before."""

    name: str
    known: bool


def areas(settings: Settings, *, state: State | None = None, enabled: bool | None = None) -> list[Area]:
    """The areas by name, all of them or those in a state."""
    with transaction(settings, None, _WHAT) as tx:
        return _select(
            tx,
            sql.SQL(
                "(%(state)s::text IS NULL OR state = %(state)s) AND (%(on)s::bool IS NULL OR enabled = %(on)s) "
                "ORDER BY name"
            ),
            {"state": state, "on": enabled},
        )


def add(settings: Settings, area: Area) -> None:
    """Store a new area; raises `ExistsError` if there is one of that name."""
    statement = sql.SQL("INSERT INTO sen2extract.area ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.SQL(", ").join(map(sql.Identifier, _FIELDS)), sql.SQL(", ").join(map(sql.Placeholder, _FIELDS))
    )
    with transaction(settings, None, _WHAT) as tx:
        if not tx.execute(statement, _row(area)).rowcount:
            raise ExistsError(f"there is an area {area.name!r} already: edit or remove it")


def change(settings: Settings, name: str, changes: Mapping[str, Any]) -> Area:
    """Store an area with some fields changed and return it.

    Raises `MissingError` for an unknown one, `InvalidDocumentError` for what would be none.
    """
    if "name" in changes and changes["name"] != name:
        raise InvalidDocumentError("name: an area keeps its name; add another one and remove this")
    statement = sql.SQL("UPDATE sen2extract.area SET {}, updated = now() WHERE name = %(name)s").format(
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in _FIELDS)
    )
    with transaction(settings, None, _WHAT) as tx:
        found = _select(tx, sql.SQL("name = %(name)s FOR UPDATE"), {"name": name})
        if not found:
            raise _missing(name)
        changed = checked({**found[0].model_dump(), **changes})
        tx.execute(statement, _row(changed))
    return changed


def remove(settings: Settings, name: str) -> None:
    """Forget an area; what is held of it stays. Raises `MissingError` for an unknown one."""
    with transaction(settings, None, _WHAT) as tx:
        if not tx.execute("DELETE FROM sen2extract.area WHERE name = %s", (name,)).rowcount:
            raise _missing(name)


def request(settings: Settings, geometry: Any) -> Noted:
    """Note that a visitor wants a place; the same place is noted once. The name of the area derives from the place.

    Raises `InvalidDocumentError` for what is no place of a moderate size, `TooManyRequestsError`.
    """
    try:
        place = check_geometry(geometry)
    except ValueError as error:
        raise InvalidDocumentError(str(error)) from error
    shown = shape(place)
    west, south, east, north = shown.bounds
    if max(east - west, north - south) > _LARGEST_REQUEST:
        raise InvalidDocumentError(f"a request may span {_LARGEST_REQUEST:.0f} degrees: ask for a smaller area")
    name = f"request-{hashlib.sha256(shown.normalize().wkb).hexdigest()[:16]}"
    with transaction(settings, None, _WHAT) as tx:
        # One at a time, so that the count holds.
        tx.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        known = tx.execute("SELECT 1 FROM sen2extract.area WHERE name = %s", (name,)).fetchone() is not None
        if not known:
            _refuse_too_many(tx)
            tx.execute("INSERT INTO sen2extract.area (name, geometry) VALUES (%s, %s)", (name, Jsonb(place)))
    return Noted(name, known)


def checked(values: Mapping[str, Any]) -> Area:
    """An area of JSON values; raises `InvalidDocumentError`, which names each field that is wrong."""
    try:
        return Area.model_validate(values)
    except ValidationError as error:
        raise InvalidDocumentError(faults(error, "area")) from error


def _refuse_too_many(tx: Connection) -> None:
    waiting, recent = cast(
        "tuple[int, int]",
        tx.execute(
            "SELECT count(*), count(*) FILTER (WHERE created > now() - interval '1 hour') "
            "FROM sen2extract.area WHERE state = 'requested'"
        ).fetchone(),
    )
    if waiting >= WAITING_REQUESTS:
        raise TooManyRequestsError("as many requests wait as the operator wants to see: try again in some days")
    if recent >= HOURLY_REQUESTS:
        raise TooManyRequestsError("too many areas were asked for within the last hour: try again in an hour")


def _select(tx: Connection, where: sql.Composable, values: Mapping[str, Any]) -> list[Area]:
    query = sql.SQL("SELECT {} FROM sen2extract.area WHERE ").format(sql.SQL(", ").join(map(sql.Identifier, _FIELDS)))
    rows = tx.execute(query + where, values).fetchall()
    return [_area(dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _area(values: dict[str, Any]) -> Area:
    """What is stored was checked; an absolute period may be in the past by now."""
    if values["retention"] is not None:
        values["retention"] = [Rule.model_construct(**rule) for rule in values["retention"]]
    return Area.model_construct(**values)


def _row(area: Area) -> dict[str, Any]:
    values = area.model_dump()
    return {**values, **{name: None if values[name] is None else Jsonb(values[name]) for name in _JSON}}


def _missing(name: str) -> MissingError:
    return MissingError(f"there is no area {name[:100]!r}; `sen2extract areas list` names them")
