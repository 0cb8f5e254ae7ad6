"""Each language: the same keys, no English left, its own font, kept in address and browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "tiler" / "web" / "src" / "i18n"
KHMER = re.compile("[\u1780-\u17ff]")
SAME = re.compile(
    r"Sen2Extract|EN|FR|ខ្មែរ|ND\w+( Gao| McFeeters)?|MNDWI|L[12][AC] · .*|Satellite|Sentinel-2\w|Date|CSV|[Ii]mage"
    r"|48P\w\w|[^a-zA-Z]*|\(NIR . SWIR\) / \(NIR \+ SWIR\)|\d+ (km|m)|\d\d:\d\d UTC|NDVI \u2212?[\d.]+|.*° [NE]"
    r"|Parquet|GeoJSON|CoverageJSON|curl|Python|R|QGIS"
)
"""Lines that may be the same as in English: names, codes, formulas and numbers."""


def keys(language: str) -> dict[str, Any]:
    """The dictionary with "function" for what takes parameters."""
    node = shutil.which("node", path=ROOT / ".venv" / "bin")
    if node is None:
        pytest.skip("no node: deploy/local/setup.sh --test installs it")
    script = (
        f"import {{ {language} as words }} from {json.dumps((WORDS / f'{language}.ts').as_uri())};"
        "const told = (_, value) => typeof value === 'function' ? `function/${value.length}` : value;"
        "console.log(JSON.stringify(words, told));"
    )
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shape(words: Any, path: str = "") -> dict[str, str]:
    """Each key with its kind: what takes parameters may leave some unused at the end."""
    if isinstance(words, dict):
        return {key: kind for name, inner in words.items() for key, kind in shape(inner, f"{path}.{name}").items()}
    if isinstance(words, list):
        return {f"{path}[{len(words)}]": "list"}
    assert isinstance(words, str)
    assert words.strip(), f"{path} is empty"
    return {path: "function" if words.startswith("function/") else "text"}


@pytest.mark.parametrize("language", ["fr", "km"])
def test_each_language_has_the_same_keys(language: str) -> None:
    assert shape(keys(language)) == shape(keys("en"))


def test_khmer_is_khmer() -> None:
    """Text without a Khmer letter is a name, the same in English."""
    khmer, english = texts(keys("km")), texts(keys("en"))
    plain = {path for path, text in khmer.items() if not KHMER.search(text)} - {".lang", ".numbers"}
    assert {path: khmer[path] for path in plain} == {path: english[path] for path in plain}


def texts(words: Any, path: str = "") -> dict[str, str]:
    if isinstance(words, dict):
        return {key: text for name, inner in words.items() for key, text in texts(inner, f"{path}.{name}").items()}
    return {} if isinstance(words, list) else {path: words}


def lines(page: Page) -> set[str]:
    return {line.strip() for line in page.locator("body").inner_text().splitlines() if line.strip()}


def start(visit: Callable[..., Any], language: str, query: str, **options: Any) -> Any:
    seen = visit(locale={"en": "en-US", "fr": "fr-FR", "km": "km-KH"}[language], **options)
    seen.open(query)
    seen.whole()
    seen.page.wait_for_load_state("networkidle")
    return seen


@pytest.mark.parametrize("language", ["fr", "km"])
def test_the_browsers_language_is_spoken(visit: Callable[..., Any], stack: Any, language: str) -> None:
    lon, lat = stack.point
    query = f"?lon={lon}&lat={lat}&zoom=14"
    seen = start(visit, language, query)
    expect(seen.page.locator("html")).to_have_attribute("lang", language)
    left = {line for line in lines(seen.page) & lines(start(visit, "en", query).page) if not SAME.fullmatch(line)}
    assert left == set()
    fonts = [url for url in seen.requests if ".woff2" in url]
    assert any("khmer-khmer" in url for url in fonts) == (language == "km")
    assert "lang=" not in seen.address
    assert seen.findings() == []
    seen.shot(f"language-{language}")
    seen.page.set_viewport_size({"width": 320, "height": 640})
    # The chart follows the width of the page a moment later.
    seen.page.wait_for_function("document.documentElement.scrollWidth <= 320")
    seen.shot(f"phone-320-{language}")
    assert seen.foreign == []
    assert seen.complaints == []


def test_a_chosen_language_stays_and_travels_with_the_address(visit: Callable[..., Any], stack: Any) -> None:
    lon, lat = stack.point
    seen = start(visit, "en", f"?lon={lon}&lat={lat}&zoom=14")
    seen.page.get_by_role("radio", name="Français").check()
    expect(seen.page.get_by_text("Végétation verte")).to_be_visible()
    expect(seen.page.locator("html")).to_have_attribute("lang", "fr")
    expect(seen.page).to_have_url(re.compile("lang=fr"))
    again = start(visit, "en", "?" + seen.address.split("?", 1)[1])
    expect(again.page.locator("html")).to_have_attribute("lang", "fr")
    seen.open()
    expect(seen.page.get_by_role("button", name="Voir un exemple")).to_be_visible()
    seen.page.get_by_role("radio", name="ខ្មែរ").check()
    expect(seen.page.locator("html")).to_have_attribute("lang", "km")
    expect(seen.page.get_by_role("button", name="Zoom in")).to_have_count(0)
