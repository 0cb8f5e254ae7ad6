"""What the README and its guides tell a newcomer to type works as it stands, but for the address."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("README.md", "tiler/README.md", "stac/README.md", "ingest/README.md")
README = "".join((ROOT / name).read_text() for name in GUIDES)
ADDRESS = "http://127.0.0.1:8000"

pytestmark = pytest.mark.timeout(900)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def rows_of(command: str, address: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run(["bash", "-c"], command.replace("curl", "curl -sf"), address))))


def run(words: list[str], text: str, address: str, **env: str) -> str:
    script = text.replace(ADDRESS, address)
    done = subprocess.run(
        [*words, script], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_of_a_point_answers_csv(ingested):
    (command,) = re.findall(r"`(curl '[^`]+')`", README)
    rows = rows_of(command, ingested.stack.url)
    assert [row["status"] for row in rows] == ["ok"] * 3
    columns = re.search(r"Columns: `([^`]+)`", README)
    assert columns is not None
    assert list(rows[0]) == re.split(r",\s*", columns[1].replace("\n", " "))


def test_the_curl_of_an_area_answers_csv(ingested):
    (command,) = [block for block in blocks("sh") if "statistics.csv" in block]
    rows = rows_of(command, ingested.stack.url)
    assert {row["index"] for row in rows} == {"NDVI", "MNDWI"}
    assert {(row["feature_id"], row["crop"]) for row in rows} == {("field 7", "rice")}


def test_the_python_snippet_prints_the_series(ingested):
    (snippet,) = [block for block in blocks("python") if "read_csv" in block]
    since = snippet.replace("2025-06-01", "2025-01-01")  # the tests' archive is of January
    printed = run([sys.executable, "-c"], since, ingested.stack.url)
    assert printed.count("48PWU") == 3


def snippet_of(library: str, address: str) -> str:
    (snippet,) = [
        block for block in blocks("python") if re.findall(r"^import (\S+)", block, re.MULTILINE)[0] == library
    ]
    return run([sys.executable, "-W", "ignore", "-c"], snippet, address)


def test_the_snippet_of_pystac_client_lists_scenes(ingested):
    printed = snippet_of("pystac_client", ingested.stack.url).splitlines()
    assert printed[0] == "3 scenes"
    assert [line.split()[0] for line in printed[1:]] == ["2025-01-15", "2025-01-10", "2025-01-05"]
    assert all(f"{ingested.stack.url}/data/" in line for line in printed[1:])


def test_the_snippet_of_odc_stac_makes_reflectance(ingested):
    printed = snippet_of("odc.stac", ingested.stack.url)
    means = [float(number) for number in re.findall(r"\d+\.\d+", printed)]
    assert len(means) == 3
    assert all(0 < mean < 1 for mean in means)


def test_the_snippet_of_gdal_opens_a_search(ingested):
    assert snippet_of("rasterio", ingested.stack.url).startswith("EPSG:32648 (192, 192)")


def test_the_command_of_stac_client_counts(ingested):
    (command,) = [block for block in blocks("sh") if block.startswith("stac-client")]
    assert "3 items matched" in run(["bash", "-c"], f"{ROOT}/.venv/bin/{command}", ingested.stack.url)


def test_the_curl_of_counts_answers(ingested):
    (command,) = [block for block in blocks("sh") if "/stac/aggregate" in block]
    counted = json.loads(run(["bash", "-c"], command.replace("curl", "curl -sf"), ingested.stack.url))
    assert counted["aggregations"][0]["value"] == 3
    assert [each["name"] for each in counted["aggregations"]] == re.findall(r"(\w+_(?:count|frequency))", command)


def test_the_curls_of_a_writer_write(ingested):
    (script,) = [block for block in blocks("sh") if "STAC_WRITER_TOKEN" in block]
    token = ingested.stack.env["STAC_WRITER_TOKEN"]
    answers = run(["bash", "-euc"], script, ingested.stack.url, STAC_WRITER_TOKEN=token)
    made, item, patched, some, upserted, *removed = map(json.loads, answers.splitlines())

    assert (made["type"], made["id"]) == ("Collection", "fields")
    assert (item["id"], item["properties"]["crop"]) == ("f1", "rice")
    assert (patched["id"], patched["properties"]["crop"]) == ("f1", "maize")
    told = json.loads(re.findall(r'`(\{"received".*?)`', README)[0])
    assert some == {**told, "skipped": 0}
    assert (upserted["received"], upserted["success"]) == (2, 1)
    assert upserted["errors"][0]["id"] == "f3"
    assert removed == [{"deleted item": "f1"}, {"deleted item": "f2"}, {"deleted collection": "fields"}]
    assert ingested.client.get("/stac/collections/fields").status_code == 404


def test_every_index_mask_and_parameter_of_the_table_exists_and_none_is_missing():
    from stac.indices import INDICES
    from stac.masks import PROFILES
    from tiler.series.request import PARAMETERS

    table = "".join(re.findall(r"\| parameter \| meaning.*?\n\n", README, re.DOTALL))
    assert set(re.findall(r"\b[A-Z]{3,7}\b", table)) >= set(INDICES)
    assert {name for name in PROFILES if f"`{name}`" in table or name in ("cm002", "cm003")} == set(PROFILES)
    assert {name for name in PARAMETERS if f"`{name}" in table} >= set(PARAMETERS) - {"step"}


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed here")
def test_the_r_snippet_prints_the_series(ingested):
    (snippet,) = blocks("r")
    told = run(["Rscript", "-e"], snippet, ingested.stack.url)
    assert len(re.findall(r"20\d\d-\d\d-\d\d .*48PWU", told)) == 3, told


def test_the_command_prints_the_series(ingested):
    (block,) = [block for block in blocks("sh") if "sen2extract series" in block]
    (command,) = [line for line in block.splitlines() if line.endswith("> ndvi.csv")]
    words = command.removesuffix(" > ndvi.csv").split()
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, cwd=ROOT, env=dict(ingested.stack.env), check=False
    )
    assert done.returncode == 0, done.stderr
    assert [row["tile"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["48PWU"] * 3
