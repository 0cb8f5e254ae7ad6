"""Sen2Chain's lists as watched areas, and the command that keeps them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.areas_import import read_header, read_lines
from ingest.cli import app
from stac import areas
from stac.areas_rules import Rule
from stac.errors import InvalidDocumentError
from stac.indices import INDICES

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
        masks=["cm001", "cm004"],
        indices=["NDVI", "NDWIGAO"],
        retention=[Rule(level="l1c", cloud=80), Rule(level="l2a", age=0)],
        comment="delta; west",
    )
    for said in ("compute_l2a", "CM004-CSH1-TPP1 becomes CM004-CSH1-CMP1", "l2a-all becomes l2a:age=0; the only copy"):
        assert any(said in note for note in first.notes), first.notes
    assert off.area == areas.Area(
        name="job-1-48PVU",
        tiles=["48PVU"],
        first_day="2020-01-01",
        last_day="2021-12-31",
        levels=["l1c", "l2a"],
        newest_only=False,
        enabled=False,
        indices=list(INDICES),
    )
    assert any("peps" in note for note in off.notes)
    assert again.area is not None
    assert (again.area.name, again.area.max_cloud, again.area.comment) == ("job-1-48PWU-2", None, "")
    assert [line.area for line in broken] == [None, None, None]
    assert ["tile" in broken[0].reason, "yesterday" in broken[1].reason, "many" in broken[2].reason] == [True] * 3
    assert idle.area is not None
    assert (idle.area.enabled, idle.notes) == (False, ["download is off: disabled"])


def test_what_is_unknown_in_a_column_is_told_and_what_is_no_column_is_kept() -> None:
    text = "tile;cloudmasks;indices;remove;colour\n48PWU;OCM_v1_0/SNOW;NDVI/XYZ;l3-all;blue\n"
    (line,) = read_lines(text, "x")
    assert line.area == areas.Area(
        name="x-48PWU", tiles=["48PWU"], masks=["ocm"], indices=["NDVI"], comment="colour=blue"
    )
    for said in ("SNOW is no mask", "XYZ", "l3-all is not understood", "colour=blue"):
        assert any(said in note for note in line.notes), line.notes


def test_each_line_of_a_header_is_told_what_is_in_its_place() -> None:
    told = read_header(JOB)
    assert [line.partition(" = ")[0] for line in told] == ["logs", "timing", "tries"]
    assert "schedules" in told[1]


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

    made = ("--index", "ndvi", "--index", "EVI", "--mask", "ocm", "--orbit", "75", "--baseline", "05.00..")
    assert run("edit", "delta", *made, "--retention", "l1c:age=90")[0] == 0
    area = listed(run)["delta"]
    assert (area["indices"], area["masks"]) == (["NDVI", "EVI"], ["ocm"])
    assert (area["orbits"], area["baseline"]) == ([75], "05.00..")
    assert areas.areas(settings)[0].retention == [Rule(level="l1c", age=90)]
    assert run("list")[1].rstrip("\n").endswith("R075 05.00.. NDVI EVI ocm\tl1c:age=90")
    assert (
        run("edit", "delta", "--index", "default", "--baseline", "default", "--orbit", "0", "--retention", "none")[0]
        == 0
    )
    area = listed(run)["delta"]
    assert (area["indices"], area["orbits"], area["baseline"], area["retention"]) == ([], [], None, [])
    assert run("edit", "delta", "--retention", "default")[0] == 0
    assert listed(run)["delta"]["retention"] is None
    for wrong in (("--index", "XYZ"), ("--mask", "snow"), ("--orbit", "144"), ("--baseline", "05.11..04.00")):
        with pytest.raises(InvalidDocumentError):
            run("edit", "delta", *wrong)
    assert run("edit", "delta", "--retention", "l1c")[0] == 2

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
