"""Folders to work in, below TMPDIR; what killed workers left there is removed by the next."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ingest.ledger import LEASE

PREFIX = "sen2extract-work-"
_LOCK = ".lock"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A fresh folder for one product, gone at the end of the block.

    A lock on a file in it says that it is in use; the lock ends with its process, however that ends. Folders without
    one, untouched for as long as a lease lasts, are removed first.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, (Path(folder) / _LOCK).open("wb") as lock:
        with suppress(OSError):  # a file system without locks: then nobody finds the folder free either
            fcntl.flock(lock, fcntl.LOCK_EX)
        inner = Path(folder) / "files"
        inner.mkdir()
        yield inner


def _sweep(place: Path) -> None:
    oldest = time.time() - LEASE.total_seconds()
    for folder in place.glob(f"{PREFIX}*"):
        # Another worker may sweep at the same time, or another user's folders lie here.
        with suppress(OSError):
            left = folder.stat()
            if left.st_uid == os.geteuid() and left.st_mtime < oldest and not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _in_use(folder: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
