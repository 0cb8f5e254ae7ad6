"""The catalogue of the running stack, judged by the validators that others use; schemas come from a mirror."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "tools"
COLLECTION = "sentinel-2-l2a"
CAMBODIA = '{"type":"Polygon","coordinates":[[[100,5],[110,5],[110,20],[100,20],[100,5]]]}'
SOUND = ("core", "browseable", "collections", "features", "item-search", "item-search#fields", "filter")
NODE = TOOLS / "node_modules" / ".bin" / "stac-node-validator"
HOSTS = ("schemas.stacspec.org", "stac-extensions.github.io", "geojson.org", "proj.org")
QUERIES = {
    "comparison-field": "gsd",
    "eq-value": "10",
    "neq-value": "11",
    "lt-value": "11",
    "lte-value": "10",
    "gt-value": "9",
    "gte-value": "10",
    "substring-field": "platform",
    "starts-with-value": "sentinel",
    "ends-with-value": "2b",
    "contains-value": "tinel",
    # It takes the property for a list: only a value of one letter passes its test of `in`.
    "in-field": "mgrs:latitude_band",
    "in-values": "P,Q",
}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="session")
def offline(schemas: Path) -> dict[str, str]:
    """The environment in which a validator finds schemas in the mirror."""
    mirror = {"PYTHONPATH": str(TOOLS / "offline"), "SCHEMA_MIRROR": str(schemas)}
    return {**os.environ, **mirror, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def addresses(ingested) -> list[str]:
    """Of every collection and item."""
    get = ingested.client.get
    collections = get("/stac/collections").json()["collections"]
    items = get("/stac/search", params={"limit": "1000"}).json()["features"]
    assert (len(collections), len(items)) == (3, 2 * len(ingested.specs))
    links = [link for document in (*collections, *items) for link in document["links"]]
    return [link["href"] for link in links if link["rel"] == "self"]


@pytest.fixture(scope="module")
def documents(ingested, addresses: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of every collection and item, as served."""
    folder = tmp_path_factory.mktemp("documents")
    for number, address in enumerate(addresses):
        (folder / f"{number}.json").write_bytes(ingested.client.get(address).content)
    return folder


def run(words: list[str | Path], env: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == code, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def validate(ingested: Any, env: dict[str, str], *options: str, code: int = 0) -> list[str]:
    """What stac-api-validator says at its end, from the errors on. A crash of its own says nothing of the kind."""
    words: list[str | Path] = [
        ROOT / ".venv/bin/stac-api-validator",
        "--log-level",
        "ERROR",
        "--collection",
        COLLECTION,
    ]
    text = run([*words, "--root-url", f"{ingested.stack.url}/stac/", *options], env, code)
    start = re.search(r"^Errors:", text, re.MULTILINE)
    assert start, text
    return [line.strip() for line in text[start.start() :].strip().splitlines()]


def conformance(*names: str) -> list[str]:
    return [word for name in names for word in ("--conformance", name)]


def test_stac_api_validator_finds_no_error(ingested, offline):
    chosen = [*conformance(*SOUND), "--geometry", CAMBODIA, "--fields-nested-property", "properties.gsd"]

    assert validate(ingested, offline, *chosen, "--validate-pagination") == ["Errors: none"]


def test_stac_api_validator_errs_over_sort_and_query_only_where_it_posts_what_is_no_list(ingested, offline):
    given = [word for name, value in QUERIES.items() for word in (f"--query-{name}", value)]
    classes = conformance("core", "item-search#sort", "item-search#query")
    said = validate(ingested, offline, *classes, *given, code=1)

    # `collections` has to be a list; it posts a string.
    sorts = [{"sortby": [{"field": "properties.datetime", "direction": one}], "limit": 100} for one in ("asc", "desc")]
    tests = [("gsd", name.split("-")[0], QUERIES[name]) for name in QUERIES if name.split("-")[0] in _COMPARISONS]
    tests += [("platform", operator, QUERIES[f"{name}-value"]) for operator, name in _TEXT_OPERATORS]
    queries = [{"query": {name: {operator: value}}, "limit": 20} for name, operator, value in tests]
    queries.append({"query": {"mgrs:latitude_band": {"in": ["P", "Q"]}}, "limit": 20})
    assert said == [
        "Errors:",
        *(_refused("Sort", ingested, body) for body in sorts),
        *(_refused("Query", ingested, body) for body in queries),
    ]


_COMPARISONS = ("eq", "neq", "lt", "lte", "gt", "gte")
_TEXT_OPERATORS = (("startsWith", "starts-with"), ("endsWith", "ends-with"), ("contains", "contains"))


def _refused(extension: str, ingested: Any, body: dict[str, Any]) -> str:
    where = f"POST {ingested.stack.url}/stac/search params=None body={json.dumps(body | {'collections': COLLECTION})}"
    return f"- [Item Search - {extension} Ext] : {where} had unexpected status code 400 instead of 200:"


def test_stac_valid_passes_every_document_and_would_find_a_fault(documents, offline, tmp_path):
    files = sorted(documents.iterdir())
    said = run([ROOT / ".venv/bin/stac-valid", "batch", *files], offline)

    assert f"Valid: {len(files)}\n" in said
    assert "Invalid: 0\n" in said
    broken = _broken(files, tmp_path)
    assert "Invalid: 1\n" in run([ROOT / ".venv/bin/stac-valid", "batch", broken], offline, code=1)


def _broken(files: list[Path], folder: Path) -> Path:
    item = json.loads(files[-1].read_text())
    item["properties"]["eo:cloud_cover"] = 101
    (folder / "broken.json").write_text(json.dumps(item))
    return folder / "broken.json"


@pytest.mark.skipif(not NODE.exists(), reason="stac-node-validator is not installed: deploy/local/setup.sh --test")
def test_stac_node_validator_passes_every_document_and_would_find_a_fault(documents, offline, schemas, tmp_path):
    maps = [word for host in HOSTS for word in ("--schemaMap", f"https://{host}/={schemas / host}/")]
    said = run([NODE, documents, *maps], offline)

    count = len(list(documents.iterdir()))
    assert f"Passed: {count}\n  Invalid: 0\n  Skipped: 0\n" in said
    broken = _broken(sorted(documents.iterdir()), tmp_path)
    assert "Invalid: 1\n" in run([NODE, broken, *maps], offline, code=1)


def test_stac_check_has_no_other_advice_than_what_we_chose_and_every_link_answers(ingested, addresses, offline):
    said = run([ROOT / ".venv/bin/python", TOOLS / "lint.py", *addresses], offline)

    for report in map(json.loads, said.splitlines()):
        assert report["valid"], report
        assert report["malformed"] == []
        # Templates, what is posted, and what is on other machines cannot be had by a GET here.
        ours = [href for href in report["unanswered"] if href.startswith(ingested.stack.url)]
        assert [href for href in ours if "{" not in href and "/statistics" not in href] == []
        if "/items/" in report["address"]:
            # ESA's product name is the id, and what is searched by stands in the item.
            names, letters, many = report["advice"]
            assert names.startswith("Item name")
            assert letters.startswith("Identifiers should consist of only lowercase")
            assert many.startswith("You have 49 properties.")
        else:
            assert report["advice"] == []
    assert len(said.splitlines()) == len(addresses)
