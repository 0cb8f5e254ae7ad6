"""Sen2Cor: stand-ins that make a product, crash, hang or lie; which products it gets, and what is said of it."""

import os
import shutil
import stat
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest import care_tasks, inbox, l1c_to_l2a, ledger, sen2cor
from ingest.cli import app
from ingest.errors import IngestError
from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, write_product
from ingest.sen2cor import NotInstalledError, Sen2Cor, Sen2CorError
from stac import catalog, status
from stac.collections import COLLECTION_IDS
from stac.database import connect
from stac.naming import Baseline
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96, cloudiness=0.4)
L1C = replace(SPEC, level="L1C")
HELP = 'case "$1" in --help) echo "Sentinel-2 Level 2A Processor (Sen2Cor). Version: {version}"; exit;; esac'


@pytest.fixture(scope="module")
def l2a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in makes: an L2A product of the acquisition."""
    return write_product(SPEC, tmp_path_factory.mktemp("l2a"))


@pytest.fixture
def tool(tmp_path: Path):
    """A function that writes a stand-in for `L2A_Process`, a shell script that gets its arguments."""

    def write(body: str, *, version: str = "2.12.3", folder: str = "Sen2Cor") -> Path:
        program = tmp_path / folder / "bin" / "L2A_Process"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{HELP.format(version=version)}\n{body}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    return write


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with an inbox of its own that holds the L1C product; no Sen2Cor on the PATH."""
    catalog.remove([(name, item) for name in COLLECTION_IDS for item in catalog.find_ids(settings, name)], settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    place = tmp_path / "inbox"
    write_product(L1C, place)
    return settings.model_copy(update={"ingest_inbox": place})


def using(settings: Settings, *programs: Path | str, minutes: float = 1) -> Settings:
    names = ",".join(map(str, programs))
    return settings.model_copy(update={"ingest_sen2cor": names, "ingest_sen2cor_minutes": minutes})


def correct(settings: Settings):
    (one,) = l1c_to_l2a.waiting(settings)
    return l1c_to_l2a.correct(settings, one, sen2cor.installed(settings))


@pytest.mark.parametrize(
    ("baseline", "version"),
    [("02.04", "02.08"), ("02.06", "02.12.03"), ("03.01", "02.12.03"), ("04.00", "02.12.03"), ("05.11", "02.12.03")],
)
def test_each_baseline_gets_the_newest_version_that_reads_it(baseline: str, version: str) -> None:
    found = [Sen2Cor(program=Path(text), version=sen2cor._numbers(text)) for text in ("02.12.03", "02.10.01", "02.08")]
    assert str(sen2cor.choose(found, Baseline.parse(baseline))) == version


def test_a_baseline_that_no_version_reads_is_said() -> None:
    old, new = (Sen2Cor(program=Path(), version=version) for version in ((2, 8), (2, 11, 0)))
    with pytest.raises(Sen2CorError, match=r"04\.00 needs Sen2Cor 02\.10\.01 or later, and there is only 02\.08"):
        sen2cor.choose([old], Baseline.parse("04.00"))
    with pytest.raises(Sen2CorError, match=r"before 02\.10\.01"):
        sen2cor.choose([new], Baseline.parse("02.04"))


def test_versions_are_asked_for_or_named_and_what_is_none_is_said(here: Settings, tool) -> None:
    with pytest.raises(NotInstalledError, match=r"^Sen2Cor is not installed: .*INGEST_SEN2COR"):
        sen2cor.installed(here)
    new, old = tool("exit 1"), tool("exit 1", folder="old")
    found = sen2cor.installed(using(here, f"02.08={old}", new))
    assert [str(one) for one in found] == ["02.12.03", "02.08"]
    silent = tool("exit 0", version="unknown", folder="silent")
    for wrong in ("/nowhere/L2A_Process", str(new.parent), f"two={new}", str(silent)):
        with pytest.raises(NotInstalledError):
            sen2cor.installed(using(here, wrong))
    os.environ["PATH"] = f"{new.parent}:{os.environ['PATH']}"
    assert [one.program for one in sen2cor.installed(here)] == [new]


def test_an_l1c_product_becomes_l2a_in_the_inbox_and_is_ingested(here: Settings, tool, l2a: Path) -> None:
    says = 'echo "with $SEN2COR_HOME: $@"'
    program = tool(f'{says}\n[ -d "$5" ] || exit 3\ncp -r {l2a} "$4"')
    (program.parent.parent / "L2A_Bashrc").write_text("export SEN2COR_HOME=there\n")
    settings = using(here, program)
    outcome = correct(settings)
    assert (outcome.state, outcome.product) == ("downloaded", SPEC.name), outcome.reason
    made = here.ingest_inbox / f"{SPEC.name}.SAFE"
    assert made.is_dir()
    log = (here.ingest_inbox / ".sen2cor/logs" / f"{L1C.name}.log").read_text()
    assert "with there: --processing_baseline 05.11 --output_dir" in log
    assert log.strip().endswith(f"{L1C.name}.SAFE")
    assert [path.name for path in (here.ingest_inbox / ".sen2cor").iterdir()] == ["logs"]
    assert l1c_to_l2a.waiting(settings) == []
    assert status.counts(settings) == {"seen": 1}
    assert ingest_product(str(made), settings=settings).state == "published"
    shutil.rmtree(made)
    assert l1c_to_l2a.waiting(settings) == []


def test_another_datastrip_of_the_datatake_is_another_acquisition(here: Settings, l2a: Path) -> None:
    from datetime import timedelta

    shutil.copytree(l2a, here.ingest_inbox / l2a.name)
    assert l1c_to_l2a.waiting(here) == []
    second = replace(L1C, delay=L1C.delay + timedelta(seconds=40), discriminator=L1C.generated + timedelta(seconds=1))
    write_product(second, here.ingest_inbox)
    assert [one.name for one in l1c_to_l2a.waiting(here)] == [second.name]


def test_a_zip_is_unpacked_first(here: Settings, tool, l2a: Path) -> None:
    folder = here.ingest_inbox / f"{L1C.name}.SAFE"
    with zipfile.ZipFile(here.ingest_inbox / f"{L1C.name}.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(here.ingest_inbox))
    shutil.rmtree(folder)
    outcome = correct(using(here, tool(f'[ -f "$5/MTD_MSIL1C.xml" ] || exit 3\ncp -r {l2a} "$4"')))
    assert outcome.state == "downloaded", outcome.reason


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'no auxiliary data' >&2; exit 7", "ended with code 7: no auxiliary data"),
        ("kill -9 $$", "killed by signal 9"),
        ("exit 0", "left 0 products"),
        ('mkdir "$4/S2B_MSIL2A_20250510T031121_N0511_R075_T48PWU_20250510T072243.SAFE"', "MTD_MSIL2A"),
    ],
)
def test_a_failure_is_told_at_once_with_its_log_and_tried_three_times(
    here: Settings, tool, body: str, said: str
) -> None:
    settings = using(here, tool(body))
    for attempt in range(1, l1c_to_l2a.TRIES + 1):
        outcome = correct(settings)
        assert (outcome.state, said in str(outcome.reason)) == ("failed", True), outcome.reason
        (entry,) = status.products(settings)
        assert (entry.id, entry.state, entry.attempts) == (f"sen2cor:{L1C.name}", "failed", attempt)
    log = here.ingest_inbox / ".sen2cor/logs" / f"{L1C.name}.log"
    assert log.is_file()
    assert str(log) in str(entry.reason) or "MTD_MSIL2A" in said
    assert l1c_to_l2a.waiting(settings) == []
    assert len(l1c_to_l2a.waiting(settings, again=True)) == 1
    assert ledger.sources_in_state(settings, "failed") == {}
    assert [path.name for path in here.ingest_inbox.iterdir() if not path.name.startswith(".")] == [f"{L1C.name}.SAFE"]


def test_what_hangs_is_ended_with_all_that_it_started(
    here: Settings, tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sen2cor, "_GRACE_SECONDS", 1)
    pids = tmp_path / "pids"
    body = f'trap "" TERM\n(trap "" TERM; sleep 600) & echo $! $$ > {pids}\nwhile :; do sleep 600; done'
    outcome = correct(using(here, tool(body), minutes=0.02))
    assert (outcome.state, "took more than 0.02 minutes" in str(outcome.reason)) == ("failed", True)
    for pid in pids.read_text().split():
        assert not _runs(int(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_only_one_worker_is_at_a_product(here: Settings, tool) -> None:
    settings = using(here, tool("exit 1"))
    (one,) = l1c_to_l2a.waiting(settings)
    with ledger.product_lock(settings, one.entry):
        assert l1c_to_l2a.correct(settings, one, sen2cor.installed(settings)).state == "unchanged"
    with pytest.raises(IngestError, match="no such L1C"):
        l1c_to_l2a.find(settings, "S2A")


def test_a_download_stays_for_sen2cor_until_there_is_its_l2a(here: Settings, tool, l2a: Path) -> None:
    path = here.ingest_inbox / f"{L1C.name}.SAFE"
    settings = using(here, tool(f'cp -r {l2a} "$4"'))
    assert ingest_product(str(path), settings=settings, again="always").state == "published"
    with connect(settings) as connection:
        connection.execute(
            "UPDATE sen2extract.ledger SET fetched = source, offer = jsonb_build_object('source', 'cdse')"
        )
    assert inbox.tidy(settings)["products"] == []
    assert correct(settings).state == "downloaded"
    assert inbox.tidy(settings)["products"] == [L1C.name]
    assert not path.exists()


def test_the_command_and_the_task_say_that_there_is_none(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_DSN", here.pg_dsn)
    monkeypatch.setenv("INGEST_INBOX", str(here.ingest_inbox))
    assert care_tasks.sen2cor_installed() == []
    done = CliRunner().invoke(app, ["sen2cor"])
    assert isinstance(done.exception, NotInstalledError)


def test_the_command_makes_what_is_missing(here: Settings, tool, l2a: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_DSN", here.pg_dsn)
    monkeypatch.setenv("INGEST_INBOX", str(here.ingest_inbox))
    monkeypatch.setenv("INGEST_SEN2COR", str(tool(f'cp -r {l2a} "$4"')))
    dry = CliRunner().invoke(app, ["sen2cor", "--dry-run"])
    assert dry.stdout == f"{L1C.name}\tSen2Cor 02.12.03\n"
    assert care_tasks.uncorrected(9) == [[f"sen2cor:{L1C.name}"]]
    done = CliRunner().invoke(app, ["sen2cor"])
    assert (done.exit_code, "1 downloaded" in done.stderr) == (0, True)
    assert "nothing to do" in CliRunner().invoke(app, ["sen2cor"]).stderr
