"""`sen2extract series`, beside the endpoints of the same archive."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import obstore
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread
from pydantic import SecretStr
from typer.testing import CliRunner

from ingest.cli import app
from tiler.series import objects
from tiler.series.request import PARAMETERS

INDICES = "/collections/sentinel-2-indices/timeseries"


@pytest.fixture
def environment(archive, monkeypatch):
    for name, value in archive.settings.model_dump().items():
        monkeypatch.setenv(name.upper(), value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    return archive


@pytest.fixture
def place(environment):
    return [f"{number:.6f}" for number in environment.place(environment.UPPER, 100, 100)]


@pytest.fixture
def fields(environment, tmp_path):
    lon, lat = environment.place(environment.UPPER, 100, 100)
    ring = [[lon, lat], [lon + 0.01, lat], [lon + 0.01, lat + 0.01], [lon, lat + 0.01], [lon, lat]]
    field = {"type": "Feature", "id": "a", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [field]}))
    return path


def run(*arguments, **options):
    return CliRunner().invoke(app, ["series", *map(str, arguments)], **options)


def test_a_point_is_the_csv_of_the_endpoint(environment, place):
    done = run(*place, "--index", "ndvi,NDRE", "--min_valid", "0.5", "--order", "oldest")
    assert done.exit_code == 0, done.stderr
    query = {"index": "ndvi,NDRE", "min_valid": "0.5", "order": "oldest"}
    asked = environment.client.get(f"{INDICES}/point/{','.join(place)}.csv", params=query)
    assert done.stdout_bytes == asked.content
    assert done.stderr.startswith(f"{len(asked.text.splitlines()) - 1} rows of ")


def test_it_runs_as_a_command_of_its_own(place):
    """With nothing but data on stdout, so that it can be piped."""
    command = [Path(sys.executable).with_name("sen2extract"), "series", *place, "--profile", "wide"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(io.StringIO(done.stdout))
    assert list(table.columns) == ["feature_id", "datetime", "tile", "NDVI"]
    assert "rows of" in done.stderr


def test_a_file_of_places_into_a_file_by_its_suffix(environment, fields, tmp_path):
    target = tmp_path / "out.parquet"
    done = run(fields, "--output", target, "--step", "P1M", "--datetime", "2025-01-01/2025-03-31")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    query = {"step": "P1M", "datetime": "2025-01-01/2025-03-31"}
    asked = environment.client.post(f"{INDICES}/statistics.parquet", params=query, content=fields.read_bytes())
    assert pq.read_table(target).to_pylist() == pq.read_table(io.BytesIO(asked.content)).to_pylist()


def test_places_come_from_stdin_and_json_goes_out(environment, fields):
    done = run("-", "--json", input=fields.read_bytes())
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    asked = environment.client.post(f"{INDICES}/statistics.json", content=fields.read_bytes()).json()
    assert document["data"] == asked["data"]
    assert document["query"] == asked["query"]


@pytest.mark.usefixtures("environment")
def test_a_shapefile_is_read_with_the_files_beside_it(fields, tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    meta, _, geometry, _ = pyogrio.raw.read(fields)
    names = pd.Series(["north"]).to_numpy(dtype=object)
    pyogrio.raw.write(
        tmp_path / "fields.shp", geometry, [names], ["name"], geometry_type=meta["geometry_type"], crs=meta["crs"]
    )
    done = run(tmp_path / "fields.shp", "--index", "NDVI")
    assert done.exit_code == 0, done.stderr
    assert set(pd.read_csv(io.StringIO(done.stdout)).name) == {"north"}


def test_a_picture_is_drawn_beside_the_data(fields, tmp_path):
    target = tmp_path / "curve.png"
    done = run(fields, "--plot", target, "--mask", "none", "--smooth", "savgol")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("feature_id,datetime")
    picture = imread(target)
    assert picture.shape[:2] == (600, 1200)
    red, green, blue = (picture[..., band] for band in range(3))
    coloured = (abs(red - green) > 0.1) | (abs(green - blue) > 0.1)
    assert coloured.sum() > 100


def test_the_cost_is_told_and_nothing_is_read(environment, place):
    done = run(*place, "--explain")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    asked = environment.client.get(f"{INDICES}/point/{','.join(place)}", params={"explain": "true"}).json()
    assert told["objects"] == asked["objects"] > 0


@pytest.mark.usefixtures("environment")
def test_a_western_longitude_is_no_option():
    done = run("-70.25", "-33.4")
    assert done.exit_code == 0, done.stderr
    assert "no image covers this place" in done.stderr
    assert done.stdout.startswith("feature_id,datetime")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["105", "12", "--index", "NOPE"], "NDVI"),
        (["105", "12", "--mask", "NOPE"], "scl"),
        (["105", "12", "--indx", "NDVI"], "no such option: --indx"),
        (["105", "99"], "longitude"),
        (["105"], "No such file"),
        (["105", "12", "13"], "LON LAT"),
        (["105", "12", "--output", "a.xls"], "'xls' is unknown"),
        (["105", "12", "--datetime", "yesterday"], "RFC 3339"),
    ],
)
def test_what_makes_no_sense_is_usage(arguments, told):
    done = run(*arguments)
    assert done.exit_code == (1 if told == "No such file" else 2)
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.usefixtures("environment")
def test_a_database_that_is_away_is_a_failure(place, monkeypatch, free_port):
    monkeypatch.setenv("PG_DSN", f"host=127.0.0.1 port={free_port()} user=x connect_timeout=1")
    done = run(*place)
    assert done.exit_code == 1
    assert "PGHOST" in done.stderr


def test_what_could_not_be_read_is_a_row_and_a_failure(environment, place):
    store = objects.connect(environment.settings, seconds=10)
    path = environment.path("sentinel-2-indices", environment.UPPER.name, "NDVI")
    key = path.removeprefix(f"/vsis3/{environment.settings.s3_bucket}/")
    content = obstore.get(store, key).bytes().to_bytes()
    obstore.delete(store, key)
    try:
        done = run(*place)
    finally:
        obstore.put(store, key, content)
    assert done.exit_code == 1
    assert f"{environment.UPPER.name} NDVI: unreadable, " in done.stderr
    statuses = pd.read_csv(io.StringIO(done.stdout)).set_index("item_id").status
    assert statuses[environment.UPPER.name] == "unreadable"
    assert "ok" in set(statuses)


@pytest.mark.usefixtures("environment")
def test_a_store_that_is_away_is_a_failure(place, monkeypatch, free_port):
    monkeypatch.setenv("S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("TILER_OBJECT_SECONDS", "1")
    assert run(*place).exit_code == 1


def test_every_parameter_of_the_api_is_an_option():
    done = run("--help", env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    options = set(re.findall(r"--([a-z_-]+)", done.stdout))
    assert {name for name in PARAMETERS if name.replace("_", "-") in options} == set(PARAMETERS) - {"f"}
