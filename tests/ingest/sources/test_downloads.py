"""The ledger's view of downloads, and the command, against a real database and the provider."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes.provider import Fault, Provider

from ingest import downloads, ledger
from ingest.cli import main
from ingest.errors import BusyError
from ingest.ledger import Subject
from ingest.pipeline import ingest_product
from ingest.sources import Quiet
from ingest.sources.choose import find
from ingest.sources.errors import CorruptError, WithdrawnError
from stac import areas, catalog, status
from stac.collections import INDICES, L2A
from stac.database import connect


@pytest.fixture(scope="module")
def inbox(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(autouse=True)
def _clean(settings):
    yield
    keys = [(collection, name) for collection in (L2A, INDICES) for name in catalog.find_ids(settings, collection)]
    catalog.remove(keys, settings)
    with connect(settings) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")


def entries(settings):
    return {product.id: product for product in status.products(settings)}


def offers_of(cdse, january):
    return sorted(cdse().search(january), key=lambda one: one.name)


def test_an_offer_becomes_seen_then_downloaded_then_published(settings, cdse, january, tmp_path):
    source = cdse()
    first, *others = (choice.offer for choice in find(settings, source, january) if choice.wanted)
    assert downloads.note(settings, [first, *others]) == 5
    assert downloads.note(settings, [first, *others]) == 0
    assert {entry.reason for entry in entries(settings).values()} == {"to be fetched from cdse"}
    assert downloads.queued(settings) == [first, *others]
    assert downloads.queued(settings, provider="earth-search") == []
    outcome = downloads.download(settings, source, first, tmp_path, Quiet())
    assert (outcome.state, outcome.ok) == ("downloaded", True)
    entry = entries(settings)[first.name]
    assert (entry.state, entry.source) == ("downloaded", str(tmp_path / f"{first.name}.SAFE"))
    assert entry.timings["download"] > 0
    assert downloads.queued(settings) == others
    assert status.counts(settings) == {"seen": 4, "downloaded": 1}
    assert [choice.reason for choice in find(settings, source, january) if not choice.wanted] == [
        f"in the inbox: {entry.source}"
    ]
    assert ingest_product(entry.source, settings=settings).state == "published"
    assert entries(settings)[first.name].state == "published"
    (reason,) = (choice.reason for choice in find(settings, source, january) if not choice.wanted)
    assert reason == f"held already: sentinel-2-l2a/{first.name}"
    again = find(settings, source, january, unless=["indices"])
    assert [choice.reason for choice in again if not choice.wanted] == [
        f"held already: sentinel-2-indices/{first.name}"
    ]
    level_one = find(settings, source, january, unless=["l1c"])
    assert [choice.reason for choice in level_one if not choice.wanted] == ["published"]


def test_a_failed_download_stays_in_the_queue_with_its_reason(settings, cdse, january, provider, tmp_path):
    one, other, *_ = offers_of(cdse, january)
    downloads.note(settings, [one, other])
    provider.faults = [Fault("B04", corrupt=True, times=99)]
    with pytest.raises(CorruptError):
        downloads.download(settings, cdse(), one, tmp_path, Quiet())
    entry = entries(settings)[one.name]
    assert (entry.state, entry.attempts) == ("failed", 1)
    assert "IMG_DATA/R10m/T48PWU" in entry.as_dict()["reason"]  # of a provider's address nothing is cut off
    assert downloads.queued(settings) == [other, one]  # what failed comes last
    downloads.note(settings, [one, other])
    assert entries(settings)[one.name].reason == entry.reason
    assert ledger.sources_in_state(settings, "failed") == {}  # nothing that could be ingested
    assert ledger.sources(settings, [one.name]) == {}
    provider.forget()
    downloads.download(settings, cdse(), one, tmp_path, Quiet())
    assert ledger.sources(settings, [one.name]) == {one.name: str(tmp_path / f"{one.name}.SAFE")}


def test_nobody_fetches_what_another_is_at_and_a_dead_ones_work_is_taken_over(settings, cdse, january, tmp_path):
    offer = offers_of(cdse, january)[0]
    downloads.note(settings, [offer])
    with ledger.claimed(settings, Subject(id=offer.name, source=offer.address), "downloading"):
        assert entries(settings)[offer.name].state == "downloading"
        with pytest.raises(BusyError, match="another worker"):
            downloads.download(settings, cdse(), offer, tmp_path, Quiet())
    # That one ended without a word, as if killed.
    assert downloads.queued(settings) == [offer]
    assert downloads.download(settings, cdse(), offer, tmp_path, Quiet()).ok


def test_what_a_provider_takes_back_is_marked_once(settings, cdse, january, written, tmp_path):
    with Provider(tmp_path / "provider").serve() as elsewhere:
        for product in written[:2]:
            elsewhere.add(product)
        given = {name.removeprefix("INGEST_").lower(): value for name, value in elsewhere.environment().items()}
        source = cdse(**given)
        held, wanted = offers_of(lambda: source, january)
        downloads.note(settings, [held, wanted])
        downloads.download(settings, source, held, tmp_path / "in", Quiet())
        assert ingest_product(str(tmp_path / "in" / f"{held.name}.SAFE"), settings=settings).ok
        for offer in (held, wanted):
            elsewhere.withdraw(offer.name)
        with pytest.raises(WithdrawnError):
            downloads.download(settings, source, wanted, tmp_path / "in", Quiet())
        assert entries(settings)[wanted.name].state == "invalid"
        causes = {**source.withdrawn(january), "S2A_UNKNOWN": "Other"}
        assert downloads.withdraw(settings, "cdse", causes) == [held.name, wanted.name]
        assert downloads.withdraw(settings, "cdse", causes) == []
        found = entries(settings)
        assert (found[held.name].state, found[wanted.name].state) == ("published", "invalid")
        assert "was withdrawn: Corrupted product" in str(found[held.name].reason)
        assert downloads.queued(settings) == []


def test_products_noted_by_place_are_not_noted_twice(settings, tmp_path):
    path = str(tmp_path / "item.json")
    ledger.see(settings, [path])
    with connect(settings) as connection:
        connection.execute("UPDATE sen2extract.ledger SET id = 'S2_ITS_NAME'")
    ledger.see(settings, [path])
    assert set(entries(settings)) == {"S2_ITS_NAME"}


# The command.


@dataclass
class Done:
    """What a command left."""

    returncode: object
    stdout: str
    stderr: str


@pytest.fixture
def run(settings, provider, inbox, monkeypatch, capsys):
    """A function that runs the command in this process, as its script does."""
    environment = {
        **provider.environment(),
        "PG_DSN": settings.pg_dsn,
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_BUCKET": settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
        "INGEST_INBOX": str(inbox),
    }

    def run(*words: str, **changes: str) -> Done:
        for name, value in {**environment, **changes}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["sen2extract", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    return run


WHERE = ("--tile", "48PWU", "--from", "2025-01-01", "--to", "2025-01-12")


def test_a_download_leaves_the_inbox_once_it_is_published(run, settings, inbox, written):
    ours, theirs = (f"{path.stem}.SAFE" for path in written[:2])
    shutil.copytree(written[1], inbox / theirs)
    assert run("discover", *WHERE, "--queue").returncode == 0
    assert run("download", "--tile", "48PWU", "--from", "2025-01-05", "--to", "2025-01-05").returncode == 0
    assert run("tidy").stdout == ""
    assert run("ingest", str(inbox), "--jobs", "1").returncode == 0
    assert run("tidy", INGEST_KEEP_DOWNLOADS="true").stdout == ""
    done = run("tidy", INGEST_KEEP_DOWNLOADS="false")
    assert done.stdout == f"products\t{written[0].stem}\n", done.stderr
    assert [path.name for path in inbox.iterdir() if path.suffix == ".SAFE"] == [theirs] != [ours]
    assert entries(settings)[written[0].stem].state == "published"
    assert "0 to be fetched" in run("discover", *WHERE).stderr
    retried = run("retry", written[0].stem)
    assert (retried.returncode, "download" in retried.stderr and "--again" in retried.stderr) == (1, True)
    again = ("--tile", "48PWU", "--from", "2025-01-05", "--to", "2025-01-05", "--again")
    assert run("download", *again).returncode == 0
    assert run("retry", written[0].stem, "--jobs", "1").returncode == 0
    assert run("tidy").stdout == f"products\t{written[0].stem}\n"
    shutil.rmtree(inbox / theirs)


def test_what_broken_off_downloads_left_goes_after_some_days_if_nobody_is_at_it(run, settings, inbox, written):
    left, busy, fresh = (inbox / ".downloads" / path.name for path in written[:3])
    for folder in (left, busy, fresh):
        folder.mkdir(parents=True)
        (folder / "B02.jp2.part").write_bytes(b"x")
    for folder in (left, busy):
        for path in (folder / "B02.jp2.part", folder):
            os.utime(path, (1e9, 1e9))
    with ledger.product_lock(settings, written[1].stem):
        assert run("tidy").stdout == f"left\t{left.name}\n"
    assert sorted(path.name for path in (inbox / ".downloads").iterdir()) == sorted((busy.name, fresh.name))
    assert run("tidy", INGEST_STALE_DAYS="0").stdout.count("left") == 2
    (inbox / ".downloads").rmdir()


def test_gaps_are_filled_by_exactly_what_is_missing(run, settings, written):
    assert run("ingest", str(written[0]), str(written[4]), "--jobs", "1").returncode == 0
    told = run("gaps", "--tile", "48PWU")
    assert (told.returncode, told.stdout.count("acquisition")) == (0, 1), told.stdout
    dry = run("gaps", "--fill", "--dry-run")
    assert (dry.returncode, dry.stdout.count("\n"), entries(settings).keys()) == (
        0,
        1,
        {written[0].stem, written[4].stem},
    ), dry.stderr
    areas.add(settings, areas.Area(name="clear", tiles=["48PWU"], max_cloud=15))
    assert "0 to be fetched" in run("gaps", "--fill").stderr
    areas.change(settings, "clear", {"max_cloud": None, "orbits": [1]})
    assert "0 to be fetched" in run("gaps", "--fill").stderr
    areas.remove(settings, "clear")
    filled = run("gaps", "--fill")
    assert "1 to be fetched" in filled.stderr
    (missing,) = (name for name, entry in entries(settings).items() if entry.state == "seen")
    assert missing == written[2].stem
    for words in (("gaps", "--dry-run"), ("gaps", "--provider", "cdse"), ("gaps", "--tile", "nowhere")):
        assert run(*words).returncode == 2
    lines = run("status", "--tiles").stdout.split("\t")
    assert lines[:4] == ["48PWU", "2", "3", "0"]
    assert run("status", "--tiles", "--gaps").returncode == 2
    assert "queue: 1 seen (cdse)" in run("status").stderr


def test_discover_and_download_by_command(run, settings, inbox, written):
    listed = run("discover", *WHERE, "--max-cloud", "5", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [choice["wanted"] for choice in json.loads(listed.stdout)] == [True]
    assert entries(settings) == {}
    dry = run("download", *WHERE, "--dry-run")
    assert (dry.returncode, dry.stdout.count("\n"), list(inbox.iterdir())) == (0, 2, [])
    assert "2 offered, 2 to be fetched" in dry.stderr
    done = run("download", *WHERE, "--json")
    assert done.returncode == 0, done.stderr
    assert [outcome["state"] for outcome in json.loads(done.stdout)] == ["downloaded"] * 2
    assert {path.name for path in inbox.iterdir() if not path.name.startswith(".")} == {
        path.name for path in written[:2]
    }
    again = run("download", *WHERE)
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing to do" in again.stderr
    shown = run("status")
    assert "2 downloaded" in shown.stderr


def test_a_queue_is_fetched_and_what_fails_makes_the_exit_code(run, provider, tmp_path):
    assert run("discover", *WHERE, "--queue").returncode == 0
    provider.faults = [Fault("20250105.*B02", status=404, times=99)]
    done = run("download", "--queued", "--inbox", str(tmp_path))
    assert done.returncode == 1
    assert "1 invalid" in done.stderr
    assert "1 downloaded" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["discover"], 2, "tile or an area"),
        (["discover", "--tile", "99XXX"], 2, "no MGRS tile"),
        (["discover", "--tile", "48PWU", "--from", "yesterday"], 2, "no day"),
        (["discover", "--bbox", "1,2,3"], 2, "no box"),
        (["discover", "--tile", "48PWU", "--unless", "l3"], 2, "choose from"),
        (["discover", "--tile", "48PWU", "--baseline", "new"], 2, "no processing baseline"),
        (["download", "--queued", "--tile", "48PWU"], 2, "name no place"),
    ],
)
def test_mistakes_are_explained(run, words, code, message):
    done = run(*words)
    assert (done.returncode, message in " ".join(done.stderr.split())) == (code, True), done.stderr


def test_missing_credentials_and_an_absent_provider_are_one_line(run, tmp_path):
    for changes, message in (
        ({"INGEST_CDSE_S3_KEY": "", "INGEST_CDSE_USER": ""}, "INGEST_CDSE_S3_KEY"),
        ({"INGEST_KEEP_FREE_GB": "1000000"}, "make room"),
        ({"INGEST_CDSE_STAC_URL": "http://127.0.0.1:9"}, "ConnectError"),
        ({"INGEST_CDSE_ACCESS": "carrier-pigeon"}, "environment is not right"),
    ):
        done = run("download", *WHERE, "--inbox", str(tmp_path), **changes)
        assert done.returncode in (1, 2)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
