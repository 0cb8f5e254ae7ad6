"""Sen2Chain's lists as watched areas, and the command that keeps them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.areas_import import read_lines
from ingest.cli import app
from stac import areas

JOB = """\
logs = True
timing = 0 0 * * *
tries = 2

tile;date_min;date_max;max_clouds;provider;filter_max_pb;download;compute_l2a;cloudmasks;indices;remove;comments
48PWU;today-60;today;80;cop_dataspace;True;l1c;True;CM001/CM004-CSH1-TPP1;NDVI/NDWIGAO;l1c-new-cc80/l2a-all;delta; west
!48PVU;2020-01-01;2021-12-31;100;peps;False;l1c/l2a;False;False;All;False;
48PWU;2016-01-01;2019-12-31;;;True;l2a;False;;;;
48QQQ9;today-60;today;80;;True;True;False;;;;
48PXU;yesterday;today;80;;True;True;False;;;;
48PXV;today-9;today;many;;True;True;False;;;;
48PXT;today-9;today;10;;True;False;False;;;;
"""


def test_each_column_of_a_job_is_taken_or_told() -> None:
    lines = {line.number: line for line in read_lines(JOB, "job-1")}
    first, off, again, *broken, idle = lines.values()
    assert first.area == areas.Area(
        name="job-1-48PWU",
        tiles=["48PWU"],
        first_day="today-60",
        max_cloud=80,
        comment="delta; west; cloudmasks=CM001/CM004-CSH1-TPP1; indices=NDVI/NDWIGAO; remove=l1c-new-cc80/l2a-all",
    )
    assert "compute_l2a" in first.notes[0] or "compute_l2a" in first.notes[1]
    assert off.area == areas.Area(
        name="job-1-48PVU",
        tiles=["48PVU"],
        first_day="2020-01-01",
        last_day="2021-12-31",
        levels=["l1c", "l2a"],
        newest_only=False,
        enabled=False,
        comment="indices=All",
    )
    assert any("peps" in note for note in off.notes)
    assert again.area is not None
    assert (again.area.name, again.area.max_cloud, again.area.comment) == ("job-1-48PWU-2", None, "")
    assert [line.area for line in broken] == [None, None, None]
    assert ["tile" in broken[0].reason, "yesterday" in broken[1].reason, "many" in broken[2].reason] == [True] * 3
    assert idle.area is not None
    assert (idle.area.enabled, idle.notes) == (False, ["download is off: disabled"])


def test_tiles_to_watch_are_read_by_their_header() -> None:
    (line,) = read_lines("\ufefftile,start_time,max_cloud,ignore\r\n40KCB,2020-01-01,30,1\r\n", "watch")
    assert line.area == areas.Area(
        name="watch-40KCB", tiles=["40KCB"], first_day="2020-01-01", max_cloud=30, enabled=False
    )


def test_a_file_without_a_header_is_none() -> None:
    with pytest.raises(ValueError, match="tile"):
        read_lines("a;b\n1;2\n", "x")


@pytest.fixture
def run(settings, monkeypatch):
    """A function that runs `sen2extract areas ...` and returns its exit code, stdout and stderr."""
    monkeypatch.setenv("PG_DSN", settings.pg_dsn)

    def call(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["areas", *arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


def listed(run) -> dict[str, dict[str, object]]:
    return {area["name"]: area for area in json.loads(run("list", "--json")[1])}


def test_the_command_keeps_areas(run, tmp_path: Path, settings) -> None:
    place = tmp_path / "place.geojson"
    ring = [[104, 11], [105, 11], [105, 12], [104, 12], [104, 11]]
    place.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert run("add", "delta", "--tile", "48PWU", "--area", str(place), "--max-cloud", "70")[0] == 0
    assert listed(run)["delta"]["geometry"]["type"] == "Polygon"
    assert run("edit", "delta", "--level", "l1c", "--from", "2020-01-01")[0] == 0
    assert run("edit", "delta")[0] == 2
    assert run("disable", "delta")[0] == 0
    area = listed(run)["delta"]
    assert (area["levels"], area["first_day"], area["enabled"], area["max_cloud"]) == (["l1c"], "2020-01-01", False, 70)
    assert run("enable", "delta")[0] == 0

    name = areas.request(settings, {"type": "Point", "coordinates": [104.5, 11.5]}).name
    assert run("list", "--state", "requested")[1].startswith(f"{name}\trequested\tPoint\t")
    assert run("approve", name)[0] == 0
    assert listed(run)[name]["enabled"] is True
    for known in ("delta", name):
        assert run("remove", known)[0] == 0
    assert listed(run) == {}


def test_the_command_imports_a_job_once_and_says_what_becomes_of_each_line(run, tmp_path: Path) -> None:
    job = tmp_path / "job_1.cfg"
    job.write_text(JOB)
    code, said, _ = run("import", str(job), "--dry-run")
    assert (code, said.count("would add"), said.count("refused")) == (1, 4, 3)
    assert listed(run) == {}
    code, said, _ = run("import", str(job))
    assert (code, said.count("\tadded\t")) == (1, 4)
    assert set(listed(run)) == {"job-1-48PWU", "job-1-48PVU", "job-1-48PWU-2", "job-1-48PXT"}
    assert run("import", str(job))[1].count("\tknown\t") == 4
    job.write_text("nothing")
    assert run("import", str(job))[0] == 1
