"""A real browser, and a visit that notes what the page asks for and what it complains about."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from embedded import Running
from postgres import conninfo

from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, write_product
from stac.settings import Settings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: uv sync --group test")

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tiler" / "web" / "node_modules" / "axe-core" / "axe.min.js"
ENVIRONMENT = ("S3_ENDPOINT", "S3_PUBLIC_URL", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PUBLIC_URL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what a browser did late on a loaded machine a second try, which the summary names (RERUN)."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "web"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@dataclass(frozen=True)
class Site:
    """The running stack as its users see it: its origin, and a place with images, clear and cloudy."""

    url: str
    point: tuple[float, float]


def _specs() -> list[ProductSpec]:
    """An acquisition each month of a year, some of them clear, the first with its L1C."""
    months = [datetime(2025, month, 21, 3, 11, 21, tzinfo=UTC) for month in range(2, 13)]
    specs = [ProductSpec(sensing=when, size=192, cloudiness=0.95 if when.month % 4 == 0 else 0.1) for when in months]
    return [*specs, replace(specs[0], level="L1C")]


@pytest.fixture(scope="session")
def stack(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The embedded stack with a year of images, ingested by the library rather than by Airflow to be quick."""
    folder = tmp_path_factory.mktemp("year")
    settings = Settings(**{name.lower(): running.stack.env[name] for name in ENVIRONMENT})
    server = {name: value for name, value in running.stack.env.items() if name.startswith("PG")}
    settings = settings.model_copy(update={"pg_dsn": conninfo(server, server["PGDATABASE"])})
    for spec in _specs():
        outcome = ingest_product(str(write_product(spec, folder)), settings=settings)
        assert outcome.ok, outcome
    return Site(url=running.stack.url, point=(105.32, 12.18))


@pytest.fixture
def place(stack: Site) -> str:
    """The query that opens the page at a place with images."""
    lon, lat = stack.point
    return f"?lon={lon}&lat={lat}&zoom=14"


def rows_of(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of a stream and its last line."""
    *rows, last = (json.loads(line) for line in text.splitlines())
    assert last["type"] == "summary"
    return rows, last


@pytest.fixture
def columns() -> Callable[[Any], dict[str, list[Any]]]:
    """The series that the page has read, from the response: its columns, oldest row first."""

    def read(response: Any) -> dict[str, list[Any]]:
        rows, _ = rows_of(response.text())
        rows.sort(key=lambda row: row["datetime"])
        return {name: [row[name] for row in rows] for name in rows[0]}

    return read


@dataclass
class Visit:
    """One page in a context of its own."""

    page: Any
    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.origin}/{query}")

    def change_rows(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Have the page read what `change` makes of the server's rows, which are newest first."""

        def answer(route: Any) -> None:
            answer = route.fetch()
            found, last = rows_of(answer.text())
            rows = change(found)
            times = [row["datetime"] for row in rows]
            told = {"x-rows": str(len(rows)), "x-interval": f"{min(times)}/{max(times)}"}
            body = "".join(f"{json.dumps(line)}\n" for line in [*rows, last])
            route.fulfill(response=answer, body=body, headers={**answer.headers, **told})

        self.page.route("**/timeseries/**.ndjson*", answer)

    @property
    def foreign(self) -> list[str]:
        """Requests that left the origin."""
        own = (f"{self.origin}/", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]

    def findings(self) -> list[tuple[str, str]]:
        """What axe-core finds serious or critical, each with the element concerned."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed: npm ci, in tiler/web")
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run().then((result) => result.violations)")
        return [
            (finding["id"], node["html"][:200])
            for finding in found
            if finding["impact"] in ("serious", "critical")
            for node in finding["nodes"]
        ]

    def shot(self, name: str) -> Path:
        """Save what is seen under build/screenshots once the map's images have arrived."""
        self.page.wait_for_load_state("networkidle")
        path = ROOT / "build" / "screenshots" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of a module and not of the session: Playwright leaves an event loop running, in which no `asyncio.run` can be."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    # The machine may be busy with other things.
    playwright.expect.set_options(timeout=30_000)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, stack: Site) -> Iterator[Callable[..., Visit]]:
    """Make a visit; options are those of a browser context (viewport, colour scheme, …)."""
    if not (ROOT / "tiler" / "static" / "index.html").is_file():
        pytest.fail("the page is not built: npm ci && npm run build, in tiler/web")
    contexts = []

    def make(**options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        made = Visit(page=context.new_page(), origin=stack.url.rstrip("/"))
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on(
            "console",
            lambda message: (
                made.complaints.append(f"{message.text} {message.location}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        return made

    yield make
    for context in contexts:
        context.close()
