import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import tasks
from ingest.sample import ProductSpec, write_product
from ingest.store import Store
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96)


@pytest.fixture(scope="module")
def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "PG_DSN": settings.pg_dsn,
        "S3_ENDPOINT": settings.s3_endpoint,
        "S3_PUBLIC_URL": settings.s3_public_url,
        "S3_BUCKET": settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key.get_secret_value(),
    }


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox")
    write_product(SPEC, folder)
    (folder / "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233.zip").write_bytes(b"no zip at all")
    return folder


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("sen2extract"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_migrate_twice_changes_nothing(environment: dict[str, str]) -> None:
    for _ in range(2):
        done = run(environment, "migrate", "--json")
        assert (done.returncode, json.loads(done.stdout)) == (0, {"ok": True}), done.stderr


def test_a_bad_product_does_not_stop_the_others(environment: dict[str, str], products: Path) -> None:
    first = run(environment, "ingest", str(products), "--json")
    assert first.returncode == 1
    states = {outcome["product"]: outcome["state"] for outcome in json.loads(first.stdout)}
    assert states[SPEC.name] == "published"
    assert sorted(states.values()) == ["invalid", "published"]
    assert "no zip" not in first.stderr
    assert "20250105T062233.zip" in first.stderr
    again = run(environment, "ingest", str(products / f"{SPEC.name}.SAFE"))
    assert (again.returncode, again.stdout) == (0, "")
    assert "1 unchanged" in again.stderr


def test_of_a_task_that_died_the_ledger_tells_how_far_it_came(
    environment: dict[str, str], products: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    whole, broken = (str(path) for path in sorted(products.iterdir(), reverse=True))
    summary = tasks.summarise([[whole, broken], ["never seen"]], [])
    assert summary["states"] == {"failed": 1, "invalid": 1, "published": 1}
    assert summary["items"] == [f"sentinel-2-indices/{SPEC.name}", f"sentinel-2-l2a/{SPEC.name}"]
    reasons = {trouble["product"]: trouble["reason"] for trouble in summary["troubles"]}
    assert "neither a SAFE folder or zip" in reasons["S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"]
    assert "see the log" in reasons["never seen"]


def test_a_dry_run_only_lists(environment: dict[str, str], products: Path) -> None:
    done = run(environment, "ingest", str(products), "--dry-run", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["products"]) == 2


def test_reconcile_and_derive_find_nothing_to_do(environment: dict[str, str]) -> None:
    found = run(environment, "reconcile", "--json")
    assert found.returncode == 0, found.stdout
    assert json.loads(found.stdout)["missing"] == []
    assert "nothing to do" in run(environment, "derive").stderr


def test_status_says_what_happened_to_each_product(environment: dict[str, str]) -> None:
    told = json.loads(run(environment, "status", "--json").stdout)
    assert told["counts"] == {"published": 1, "invalid": 1}
    assert {one["id"]: one["state"] for one in told["products"]}[SPEC.name] == "published"
    failed = run(environment, "status", "--state", "invalid")
    (line,) = failed.stdout.splitlines()
    assert line.startswith("invalid\tS2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233\t")
    assert "1 published, 1 invalid" in failed.stderr


def test_status_says_what_the_archive_lacks(environment: dict[str, str]) -> None:
    told = json.loads(run(environment, "status", "--gaps", "--tile", "48pwu", "--json").stdout)
    assert [(tile["tile"], tile["held"], tile["gaps"]) for tile in told["tiles"]] == [("48PWU", 1, [])]
    assert "48PWU: 1 of 1 acquisitions held; nothing is missing" in run(environment, "status", "--gaps").stderr
    for wrong in (["--tile", "48PWU"], ["--gaps", "--state", "failed"], ["--gaps", "--tile", "nowhere"]):
        assert run(environment, "status", *wrong).returncode == 2


def test_what_is_missing_is_told_brought_back_and_made_again(environment: dict[str, str], settings: Settings) -> None:
    store = Store.connect(settings)
    lost = next(key for key in store.keys("sentinel-2-l2a/") if "/B04-" in key)
    store.remove([lost])
    found = run(environment, "reconcile", "--fix", "--older-than", "0", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["missing"] == [lost]
    assert f"sen2extract retry {SPEC.name}" in found.stderr
    assert run(environment, "rebuild", "--json").returncode == 1
    again = run(environment, "retry", SPEC.name)
    assert (again.returncode, "1 published" in again.stderr) == (0, True), again.stderr
    assert json.loads(run(environment, "reconcile", "--json").stdout)["ok"] is True
    rebuilt = run(environment, "rebuild", "--json")
    assert (rebuilt.returncode, json.loads(rebuilt.stdout)["items"]) == (0, 2), rebuilt.stderr


def test_retry_takes_all_of_a_state(environment: dict[str, str]) -> None:
    assert "nothing to do" in run(environment, "retry", "--state", "failed").stderr
    assert "1 invalid" in run(environment, "retry", "--state", "invalid").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ingest", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (["ingest", ".", "--assets", "B99"], 2, "B99"),
        (["ingest"], 2, "paths"),
        (["frobnicate"], 2, "frobnicate"),
        (["retry"], 2, "--state"),
        (["retry", "nothing"], 1, "the ledger does not know nothing"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    environment: dict[str, str], arguments: list[str], code: int, message: str
) -> None:
    done = run(environment, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_away_is_one_line(environment: dict[str, str]) -> None:
    done = run({**environment, "PG_DSN": "host=127.0.0.1 port=9 dbname=none"}, "reconcile")
    assert done.returncode == 1
    assert "the database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_well_known_secrets_are_refused_in_public(environment: dict[str, str]) -> None:
    public = {**environment, "PUBLIC_URL": "https://example.org", "AWS_SECRET_ACCESS_KEY": "minioadmin"}
    done = run(public, "reconcile")
    assert done.returncode == 2
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_archive_is_imported_and_left_as_it_was(environment: dict[str, str], shared_data: Path) -> None:
    archive = shared_data / "sen2chain-archive"
    before = sorted((path, path.stat().st_mtime_ns) for path in archive.rglob("*"))
    first = run(environment, "import-sen2chain", str(archive), "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert [outcome["state"] for outcome in told["outcomes"]] == ["published"] * 3
    assert len(told["files"]) == 48
    again = run(environment, "import-sen2chain", str(archive))
    assert "0 scenes, 3 index products, 36 files skipped: 3 unchanged" in again.stderr
    assert sorted((path, path.stat().st_mtime_ns) for path in archive.rglob("*")) == before


def test_no_archive_is_no_traceback(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, "import-sen2chain", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no Sen2Chain archive" in done.stderr
    assert "Traceback" not in done.stderr
