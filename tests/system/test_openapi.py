"""What the OpenAPI documents of the running stack say is what it does, for requests that schemathesis makes up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# TiTiler reads numbers and flags leniently; and what is valid by the document may still match nothing.
LENIENT = "positive_data_acceptance,negative_data_rejection"

pytestmark = pytest.mark.timeout(900)


def run(address: str, config: Path, *options: str) -> str:
    words: list[str | Path] = [ROOT / ".venv/bin/schemathesis", "--config-file", config, "run", address]
    words += ["--phases", "fuzzing", "--generation-deterministic", "--no-color", "--warnings", "off", *options]
    done = subprocess.run(words, capture_output=True, text=True, timeout=800, cwd=config.parent, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def config(ingested, tmp_path: Path) -> Path:
    """Names that exist, without which nearly every answer would be a 404."""
    (item,) = ingested.client.get("/stac/search", params={"collections": "sentinel-2-l2a", "limit": "1"}).json()[
        "features"
    ]
    values = {
        "path.collection_id": item["collection"],
        "path.item_id": item["id"],
        "path.tileMatrixSetId": "WebMercatorQuad",
        "path.render_id": "true_color",
        "path.lon": 105.4,
        "path.lat": 11.9,
        "query.assets": "B04",
        "query.url": item["assets"]["B04"]["href"],
    }
    lines = [f'"{name}" = {value!r}'.replace("'", '"') for name, value in values.items()]
    file = tmp_path / "schemathesis.toml"
    file.write_text("\n".join(["[parameters]", *lines]))
    return file


def test_the_catalogue_does_what_its_document_says(ingested, config: Path):
    said = run(f"{ingested.stack.url}/stac/api", config, "-n", "10", "--exclude-checks", "positive_data_acceptance")

    assert "No issues found" in said


def test_the_tiler_does_what_its_document_says(ingested, config: Path):
    said = run(f"{ingested.stack.url}/raster/api", config, "-n", "2", "--exclude-checks", LENIENT)

    assert "No issues found" in said


@pytest.mark.parametrize("service", ["stac", "raster"])
def test_every_operation_declares_its_problems(ingested, service: str):
    answer = ingested.client.get(f"/{service}/api")
    document = answer.json()

    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": f"/{service}"}]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refusals = {code: each["content"] for code, each in operation["responses"].items() if int(code) >= 400}
            assert refusals or path in {"/livez", "/_mgmt/ping", "/conformance"}
            assert all(content == problem for content in refusals.values()), path
            assert "text/html" not in operation["responses"].get("200", {}).get("content", {})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("tiles/WebMercatorQuad/31/0/0.png?assets=NDVI", 404),
        ("tiles/WebMercatorQuad/3/-1/0.png?assets=NDVI", 404),
        ("tiles/WebMercatorQuad/99999999999/0/0?assets=NDVI", 404),
        ("bbox/-1e300,0,1,1.png?assets=NDVI", 400),
        ("bbox/nan,0,1,1.png?assets=NDVI", 400),
        ("bbox/-180,-85,180,85.tif?assets=NDVI", 413),
        ("preview.png?assets=NDVI&max_size=1000000", 400),
        ("preview/100000x100000.png?assets=NDVI", 400),
        ("preview.png?assets=NDVI&algorithm=max&algorithm_params=null", 400),
        ("preview.png?assets=NDVI&algorithm=max&algorithm_params=[", 400),
        ("preview.png?assets=NDVI&nodata=-inf", 400),
    ],
)
def test_numbers_that_make_no_sense_are_refused(ingested, path: str, status: int):
    item = ingested.client.get("/stac/search", params={"collections": "sentinel-2-indices", "limit": "1"}).json()[
        "features"
    ][0]
    answer = ingested.client.get(f"/raster/collections/sentinel-2-indices/items/{item['id']}/{path}")

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("text", ["(" * 4000 + "gsd=1" + ")" * 4000, "NOT " * 4000 + "gsd=1"])
def test_a_filter_of_many_levels_does_not_end_the_process(ingested, text: str):
    for path in ("tiles/WebMercatorQuad/9/405/238.png?assets=TCI", "timeseries/point/105.4,11.9.csv?index=NDVI"):
        answer = ingested.client.get(f"/raster/collections/sentinel-2-l2a/{path}&filter={text}")
        assert answer.status_code == 400, answer.text
    assert ingested.client.get("/raster/livez").status_code == 200
