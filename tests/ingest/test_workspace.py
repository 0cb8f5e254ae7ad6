"""Folders to work in: what killed workers leave is removed, what others use is not."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ingest.ledger import LEASE
from ingest.workspace import PREFIX, work_folder

CONTEXT = multiprocessing.get_context("spawn")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def work(place: Path, told: Any) -> None:
    """Write something into a work folder, and stay in it."""
    tempfile.tempdir = str(place)
    with work_folder() as folder:
        (folder / "B04.tif").write_bytes(b"half a file")
        told.send(str(folder.parent))
        time.sleep(600)


def start(place: Path) -> tuple[Any, Path]:
    ours, theirs = CONTEXT.Pipe()
    worker = CONTEXT.Process(target=work, args=(place, theirs))
    worker.start()
    return worker, Path(ours.recv())


def age(folder: Path) -> None:
    old = time.time() - LEASE.total_seconds() - 60
    os.utime(folder, (old, old))


def test_a_folder_is_gone_after_its_block_whatever_happens_in_it(place: Path) -> None:
    with suppress(ZeroDivisionError), work_folder() as folder:
        (folder / "x").write_bytes(b"x")
        raise ZeroDivisionError
    assert list(place.iterdir()) == []


def test_what_a_killed_worker_left_is_removed_once_its_lease_has_ended(place: Path) -> None:
    worker, left = start(place)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    with work_folder():
        assert (left / "files" / "B04.tif").exists()  # too young: it may be somebody's whose lock is about to be taken
    age(left)
    with work_folder() as folder:
        assert folder.exists()
        assert not left.exists()


def test_a_folder_in_use_is_left_alone_however_old(place: Path) -> None:
    worker, used = start(place)
    age(used)
    with work_folder():
        assert (used / "files" / "B04.tif").exists()
    worker.kill()
    worker.join()


def test_folders_of_others_are_left_alone(place: Path) -> None:
    for name in ("sen2extract-pg-abc", "other"):
        (place / name).mkdir()
        age(place / name)
    unlocked = place / f"{PREFIX}old"
    unlocked.mkdir()
    age(unlocked)
    with work_folder():
        assert {path.name for path in place.iterdir()} >= {"sen2extract-pg-abc", "other"}
        assert not unlocked.exists()
    shutil.rmtree(place)
