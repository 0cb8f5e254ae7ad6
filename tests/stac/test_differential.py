"""Random searches of the API against the same search evaluated in memory (`tests/oracle`): ids, order, counts, pages.

SEN2EXTRACT_SEARCHES=5000 tries that many instead of a few.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from oracle import cql2
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from stac import catalog
from stac.api import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stac.settings import Settings

SEARCHES = int(os.environ.get("SEN2EXTRACT_SEARCHES", "40"))
COLLECTIONS = ("differ-a", "differ-b")
START = datetime(2025, 1, 1, tzinfo=UTC)
NUMBERS = ("gsd", "eo:cloud_cover", "sat:relative_orbit")
TEXTS = ("platform", "grid:code", "id", "collection")
WORDS = ("sentinel-2a", "Sentinel-2A", "it's", "50%", "5_0", "a\\b", "été", "sentinel-2b", "zz top", "a+b c%20d")
STEPS = (0.0, 0.5, 1.0, 10.0, 10.5, 20.0, 75.0, 99.5, 100.0)
MOMENTS = [START + timedelta(hours=12 * number, milliseconds=333 * (number % 3)) for number in range(14)]


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


GEOMETRIES: list[dict[str, Any]] = [
    box(104.5, 11.5, 105.5, 12.5),
    box(105, 12, 106, 13),
    box(105.5, 12.5, 106.5, 13.5),
    box(-180, -90, 180, -80),
    box(-10, 80, 10, 90),
    {
        "type": "MultiPolygon",
        "coordinates": [box(179, -17, 180, -16)["coordinates"], box(-180, -17, -179, -16)["coordinates"]],
    },
    {"type": "Point", "coordinates": [105, 12]},
    {"type": "Point", "coordinates": [180, 0]},
    {"type": "Point", "coordinates": [-180, 0]},
    {"type": "Point", "coordinates": [0, 90]},
    {"type": "LineString", "coordinates": [[104, 12], [107, 12]]},
]


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def made(number: int) -> dict[str, Any]:
    """An item, the same for a number each time; each value is missing from some."""
    dice = random.Random(number)
    moment, collection = dice.choice(MOMENTS), COLLECTIONS[number % 2]
    properties: dict[str, Any] = {
        "datetime": iso(moment),
        "gsd": dice.choice((*STEPS, None)),
        "eo:cloud_cover": dice.choice((*STEPS, None)),
        "sat:relative_orbit": dice.choice((1, 10, 75, 143, None)),
        "platform": dice.choice((*WORDS, None)),
        "grid:code": dice.choice(("MGRS-48PWU", "MGRS-48PVU", None)),
        "processing:datetime": dice.choice((*map(iso, MOMENTS), None)),
        "deprecated": dice.choice((True, None, None, None)),
        "sen2extract:lossy": dice.choice((True, False, None)),
    }
    properties = {name: value for name, value in properties.items() if value is not None}
    if number % 5 == 0:
        properties |= {"datetime": None, "start_datetime": iso(moment), "end_datetime": iso(moment + timedelta(days=2))}
    geometry = dice.choice(GEOMETRIES)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"{dice.choice(('S2A', 's2b', 'x_y', 'x-y'))}-{number:03}",
        "collection": collection,
        "geometry": geometry,
        "bbox": [-180, -90, 180, 90],
        "properties": properties,
        "assets": {"B04": {"href": f"https://eo.example.org/{number}.tif", "roles": ["data"]}},
        "links": [],
    }


ITEMS = [made(number) for number in range(64)]
IDS = [item["id"] for item in ITEMS]


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    with catalog.connect(settings) as connection:
        for name in COLLECTIONS:
            collection = {"type": "Collection", "stac_version": "1.1.0", "id": name, "description": name}
            collection |= {"license": "other", "links": [], "extent": extent}
            connection.execute("SELECT pgstac.create_collection(%s)", (Jsonb(collection),))
    catalog.publish(ITEMS, settings)
    with TestClient(create_app(settings), root_path="/stac", raise_server_exceptions=False) as test_client:
        yield test_client


def prop(name: str) -> dict[str, str]:
    return {"property": name}


def call(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


COMPARISONS = st.sampled_from(("=", "<>", "<", "<=", ">", ">="))
NUMBER = st.sampled_from((*STEPS, 5, 74.5, 75.5, -3, 1e10))
MOMENT = st.sampled_from([*MOMENTS, *(moment + timedelta(hours=1) for moment in MOMENTS)])
PLACES = st.sampled_from(
    [*GEOMETRIES, box(104, 11, 107, 14), box(0, -90, 180, 90), {"type": "Point", "coordinates": [106.2, 12.9]}]
)
BBOX = st.sampled_from(
    [
        [104, 11, 107, 14],
        [104, 11, -500, 107, 14, 9000],
        [105, 12, 0, 105, 12, 0],
        [105, 12, 105, 12],
        [-180, -90, 180, 90],
        [-180, 80, 180, 90],
        [179.5, -18, -179.5, -15],
        [170, -90, -1, -170, 90, 1],
        [180, -10, -180, 10],
        [100, -90, -100, 90],
        [0.25, 0.125, 1.5, 1e-7],
    ][:-1]
)


@st.composite
def stamps(draw: Any) -> str:
    """A time as people write it."""
    moment = draw(MOMENT)
    form = draw(st.sampled_from(("z", "offset", "west", "fraction", "small")))
    match form:
        case "offset":
            return (moment + timedelta(hours=7)).isoformat().replace("+00:00", "+07:00")
        case "west":
            return (moment - timedelta(hours=9, minutes=30)).isoformat().replace("+00:00", "-09:30")
        case "fraction":
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case "small":
            return iso(moment).lower()
    return iso(moment)


@st.composite
def spans(draw: Any) -> str:
    """An instant or an interval, as the parameter `datetime` has it."""
    one, other = sorted((draw(stamps()), draw(stamps())), key=cql2.instant)
    return draw(st.sampled_from((one, f"{one}/{other}", f"../{other}", f"{one}/..", f"/{other}", f"{one}/")))


@st.composite
def calculations(draw: Any) -> Any:
    """Arithmetic over numbers; powers of two, which are exact."""
    depth = draw(st.integers(0, 2))
    out: Any = prop(draw(st.sampled_from(NUMBERS)))
    for _ in range(depth):
        other = draw(st.one_of(st.sampled_from((2, 4, 0.5)), st.builds(prop, st.sampled_from(NUMBERS))))
        op = draw(st.sampled_from("+-*/")) if isinstance(other, int | float) else draw(st.sampled_from("+-*"))
        out = call(op, *([out, other] if op == "/" or draw(st.booleans()) else [other, out]))
    return out


@st.composite
def comparisons(draw: Any) -> dict[str, Any]:
    """Numbers, text, times and flags compared."""
    op = draw(COMPARISONS)
    match draw(st.sampled_from(("number", "text", "casei", "time", "date", "flag", "sum", "pair"))):
        case "number":
            pair = [prop(draw(st.sampled_from(NUMBERS))), draw(NUMBER)]
        case "text":
            pair = [prop(draw(st.sampled_from(TEXTS))), draw(st.sampled_from((*WORDS, *IDS[:9], *COLLECTIONS)))]
        case "casei":
            words = (*WORDS, *IDS[:9])
            pair = [call("casei", prop(draw(st.sampled_from(TEXTS[:3])))), call("casei", draw(st.sampled_from(words)))]
        case "time":
            pair = [
                prop(draw(st.sampled_from(("datetime", "processing:datetime")))),
                {"timestamp": draw(stamps()).upper()},
            ]
        case "date":
            pair = [
                prop(draw(st.sampled_from(("datetime", "processing:datetime")))),
                {"date": draw(MOMENT).date().isoformat()},
            ]
        case "flag":
            pair, op = [prop(draw(st.sampled_from(("sen2extract:lossy", "deprecated")))), draw(st.booleans())], op[:1]
            op = "=" if op == "=" else "<>"
        case "sum":
            pair = [draw(calculations()), draw(st.one_of(NUMBER, calculations()))]
        case _:
            pair = [prop(draw(st.sampled_from(NUMBERS))), prop(draw(st.sampled_from(NUMBERS)))]
    return call(op, *(reversed(pair) if draw(st.booleans()) else pair))


PATTERNS = st.sampled_from(("sent%", "%2_", "%", "50\\%", "5\\_0", "5_0", "S2A-0%", "x_y%", "x\\_y%", "_____"))
TIMES = st.sampled_from(("datetime", "processing:datetime"))


@st.composite
def lists(draw: Any) -> dict[str, Any]:
    """IN, with numbers and with text; BETWEEN, with numbers and with times; IS NULL."""
    match draw(st.sampled_from(("in", "words", "between", "moments", "null"))):
        case "in":
            pair = [draw(st.sampled_from(NUMBERS)), draw(st.lists(NUMBER, min_size=1, max_size=4))]
            return call("in", prop(pair[0]), pair[1])
        case "words":
            words = st.lists(st.sampled_from((*WORDS, *IDS[:20], *COLLECTIONS)), min_size=1, max_size=5)
            return call("in", prop(draw(st.sampled_from(TEXTS))), draw(words))
        case "between":
            return call("between", draw(calculations()), draw(NUMBER), draw(NUMBER))
        case "moments":
            return call("between", prop(draw(TIMES)), *({"timestamp": draw(stamps()).upper()} for _ in range(2)))
        case _:
            return call("isNull", prop(draw(st.sampled_from((*NUMBERS, "platform", "processing:datetime")))))


@st.composite
def predicates(draw: Any) -> dict[str, Any]:
    """LIKE, places and times."""
    match draw(st.sampled_from(("like", "place", "box", "time"))):
        case "like":
            if draw(st.booleans()):
                return call("like", prop(draw(st.sampled_from(TEXTS))), draw(PATTERNS))
            return call("like", call("casei", prop("platform")), call("casei", draw(PATTERNS)))
        case "place" | "box" as kind:
            place = draw(PLACES) if kind == "place" else {"bbox": draw(BBOX)}
            ops = ["s_intersects", "s_disjoint", "s_within", "s_contains"]
            ops += ["s_touches", "s_overlaps", "s_crosses", "s_equals"] if kind == "place" else []
            pair = [prop("geometry"), place]
            return call(draw(st.sampled_from(ops)), *(reversed(pair) if draw(st.booleans()) else pair))
        case _:
            return draw(temporals())


@st.composite
def temporals(draw: Any) -> dict[str, Any]:
    """A temporal operator, between a property and an instant, a day or an interval."""
    one, other = sorted((draw(stamps()), draw(stamps())), key=cql2.instant)
    times = [{"timestamp": one.upper()}, {"date": one[:10]}, {"interval": [one.upper(), other.upper()]}]
    times += [{"interval": ["..", other.upper()]}, {"interval": [one[:10], ".."]}, one.upper()]
    spans = [
        prop(draw(st.sampled_from(("datetime", "processing:datetime")))),
        {"interval": [prop("datetime"), prop("end_datetime")]},
    ]
    # PostgreSQL's names of what is in OPERATORS, in any case.
    names = ("after", "before", "contains", "disjoint", "during", "equals", "finishedBy", "finishes", "intersects")
    names += ("meets", "metBy", "overlappedBy", "overlaps", "startedBy", "starts")
    return call(f"t_{draw(st.sampled_from(names))}", draw(st.sampled_from(spans)), draw(st.sampled_from(times)))


FILTERS = st.recursive(
    st.one_of(comparisons(), lists(), predicates()),
    lambda inner: st.one_of(
        st.builds(lambda each: call("not", each), inner),
        st.builds(
            lambda op, each: call(op, *each), st.sampled_from(("and", "or")), st.lists(inner, min_size=2, max_size=3)
        ),
    ),
    max_leaves=5,
)


@st.composite
def searches(draw: Any) -> dict[str, Any]:
    """A search by POST."""
    search: dict[str, Any] = {"limit": draw(st.integers(1, 40)), "collections": list(COLLECTIONS)}
    wanted = draw(
        st.sets(st.sampled_from(("bbox", "intersects", "datetime", "ids", "one", "filter", "sortby")), max_size=4)
    )
    if draw(st.booleans()):
        wanted |= {"filter"}
    if "one" in wanted:
        search["collections"] = [draw(st.sampled_from((*COLLECTIONS, "differ-none"))), COLLECTIONS[0]]
    if "bbox" in wanted:
        search["bbox"] = draw(BBOX)
    elif "intersects" in wanted:
        search["intersects"] = draw(PLACES)
    if "datetime" in wanted:
        search["datetime"] = draw(spans())
    if "ids" in wanted:
        search["ids"] = draw(st.lists(st.sampled_from((*IDS, "none")), min_size=1, max_size=30))
    if "filter" in wanted:
        search |= {"filter": draw(FILTERS), "filter-lang": "cql2-json"}
    if "sortby" in wanted:
        names = (*NUMBERS, *TEXTS, "datetime", "processing:datetime", "properties.eo:cloud_cover", "end_datetime")
        fields = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        search["sortby"] = [{"field": name, "direction": draw(st.sampled_from(("asc", "desc")))} for name in fields]
    return search


def answered(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def by_get(search: dict[str, Any]) -> dict[str, str]:
    """The same search by GET."""
    params = {name: value for name, value in search.items() if isinstance(value, str | int)}
    params |= {name: ",".join(map(str, search[name])) for name in ("ids", "collections", "bbox") if name in search}
    params |= {name: json.dumps(search[name]) for name in ("intersects", "filter") if name in search}
    if "sortby" in search:
        params["sortby"] = ",".join(
            ("-" if key["direction"] == "desc" else "+") + key["field"] for key in search["sortby"]
        )
    return {name: str(value) for name, value in params.items()}


def names(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["collection"], item["id"]) for item in page["features"]]


def pages(client: TestClient, first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A page and those that follow it, by the links."""
    page = first
    for _ in range(len(ITEMS) + 1):
        yield page
        links = [link for link in page["links"] if link["rel"] == "next"]
        if not links:
            return
        page = follow(client, links[0])
    pytest.fail("the pages have no end")


def follow(client: TestClient, link: dict[str, Any]) -> dict[str, Any]:
    path = link["href"].removeprefix("http://testserver")
    if link.get("method") == "POST":
        return answered(client.post(path, json=link["body"]))
    return answered(client.get(path))


def backwards(client: TestClient, last: dict[str, Any]) -> list[tuple[str, str]]:
    """The items of all pages before one, by the links."""
    before, page = [], last
    for _ in range(len(ITEMS) + 1):
        links = [link for link in page["links"] if link["rel"] == "prev"]
        if not links:
            return before
        page = follow(client, links[0])
        before = names(page) + before
    pytest.fail("the pages have no beginning")


@examples(
    max_examples=SEARCHES,
    derandomize=SEARCHES < 100,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(search=searches(), method=st.sampled_from(("GET", "POST")))
def test_a_search_finds_what_it_asks_for_in_its_order_and_counts_it(
    client: TestClient, search: dict[str, Any], method: str
) -> None:
    wanted = cql2.found(search, ITEMS)
    expected = [(item["collection"], item["id"]) for item in wanted]
    post, get = (
        answered(client.post("/stac/search", json=search)),
        answered(client.get("/stac/search", params=by_get(search))),
    )

    assert names(post) == names(get) == expected[: search["limit"]]
    walked = list(pages(client, get if method == "GET" else post))
    assert [name for page in walked for name in names(page)] == expected
    assert {page["numberMatched"] for page in walked} == {len(expected)}
    assert backwards(client, walked[-1]) == expected[: len(expected) - len(walked[-1]["features"])]
    for served, item in zip(post["features"], wanted, strict=False):
        assert {**served["properties"], **item["properties"]} == served["properties"]
        assert served["geometry"] == item["geometry"]
    counted(client, search, wanted)


def counted(client: TestClient, search: dict[str, Any], wanted: list[cql2.Item]) -> None:
    """The aggregations of a search are those of what it finds."""
    asked = {name: value for name, value in search.items() if name not in ("limit", "sortby")}
    listed = ["total_count", "grid_code_frequency", "collection_frequency", "datetime_min", "datetime_max"]
    listed += ["cloud_cover_frequency", "datetime_frequency"]
    answer = answered(client.post("/stac/aggregate", json=asked | {"aggregations": listed}))
    by_name = {one["name"]: one for one in answer["aggregations"]}
    times = [cql2.value(item, "datetime") for item in wanted]

    def buckets(name: str) -> dict[str, int]:
        return {each["key"]: each["frequency"] for each in by_name[name]["buckets"]}

    assert by_name["total_count"]["value"] == len(wanted)
    assert buckets("collection_frequency") == Counter(item["collection"] for item in wanted)
    codes = [item["properties"].get("grid:code") for item in wanted]
    assert buckets("grid_code_frequency") == Counter(filter(None, codes))
    assert by_name["grid_code_frequency"]["overflow"] == codes.count(None)
    covers = [cover for item in wanted if (cover := item["properties"].get("eo:cloud_cover")) is not None]
    low = [min(int(cover // 10) * 10, 90) for cover in covers]
    assert buckets("cloud_cover_frequency") == Counter(f"{each}-{each + 10}" for each in low)
    assert buckets("datetime_frequency") == Counter(f"{time:%Y-%m}-01T00:00:00Z" for time in times)
    for name, choose in (("datetime_min", min), ("datetime_max", max)):
        value = by_name[name]["value"]
        assert (cql2.instant(value) if value else None) == choose(times, default=None)
