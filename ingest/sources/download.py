"""A product from a provider to a folder: several files at a time, all of them or nothing visible."""

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Self

from ingest.sources.base import File, Progress
from ingest.sources.errors import CredentialsError, NoSpaceError, RefusedError, SourceError
from ingest.sources.manifest import inside
from ingest.sources.transfer import fetch
from ingest.sources.web import Web

WORKROOM = ".downloads"
"""Hidden folder beside the products: what is on its way lies there, on the same disk."""

PRODUCT_LIMIT = 32 * 1024**3
_GB = 1e9


class Draft:
    """A product on its way to `final`; what an earlier, killed download left of it is found again.

    Left by an error that another try would not better, its files are removed.
    """

    def __init__(self, final: Path, web: Web, progress: Progress, keep_free_gb: float) -> None:
        self.final = final
        self.folder = final.parent / WORKROOM / final.name
        self.web = web
        self.progress = _Together(progress)
        self.keep_free_gb = keep_free_gb
        self.folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RefusedError) and not isinstance(error, CredentialsError):
            shutil.rmtree(self.folder, ignore_errors=True)

    def fetch(self, files: Iterable[File]) -> None:
        """Fetch files, as many at a time as the provider allows; the first that fails ends all."""
        wanted = list(files)
        for file in wanted:
            inside(file.path, self.final.name)
        total = sum(file.size or 0 for file in wanted)
        if total > PRODUCT_LIMIT:
            raise RefusedError(f"{self.final.name}: {total} bytes: no product has as many")
        self._check_room(wanted)
        self.progress.expect(total)
        with ThreadPoolExecutor(self.web.connections) as pool, _stopping() as stop:
            running = [
                pool.submit(fetch, self.web, file, self.folder / file.path, self.progress, stop) for file in wanted
            ]
            _await(running, stop)

    def finish(self, member: str | None = None) -> Path:
        """Give the product, or the one file of it, its place; returns it."""
        (self.folder / member if member else self.folder).rename(self.final)
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.final

    def _check_room(self, files: Iterable[File]) -> None:
        """Raise `NoSpaceError` unless what is still to come fits the disk."""
        missing = sum((file.size or 0) - self._present(file) for file in files)
        free = shutil.disk_usage(self.folder).free
        if missing > 0 and missing + self.keep_free_gb * _GB > free:
            raise NoSpaceError(
                f"{self.final.name}: {missing / _GB:.2f} GB are to come, {free / _GB:.2f} GB are free on the inbox's "
                f"disk, of which {self.keep_free_gb:g} stay free (INGEST_KEEP_FREE_GB): make room"
            )

    def _present(self, file: File) -> int:
        place = self.folder / file.path
        found = (path for path in (place, place.with_name(f"{place.name}.part")) if path.exists())
        return min(file.size or 0, next((path.stat().st_size for path in found), 0))


def place(folder: Path, name: str) -> Path:
    """Where a product called `name` comes to lie; the folder is made. Raises `RefusedError` for a strange name."""
    inside(name, "product")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise SourceError(f"{folder} may not be written: give the inbox to the user that downloads")
    return folder / name


class _Together:
    """Progress told by several threads, one after the other."""

    def __init__(self, told: Progress) -> None:
        self._told = told
        self._lock = Lock()

    def expect(self, total: int) -> None:
        with self._lock:
            self._told.expect(total)

    def advance(self, count: int) -> None:
        with self._lock:
            self._told.advance(count)


@contextmanager
def _stopping() -> Iterator[Event]:
    """An event that is set when the block is left by an error, Ctrl-C among them."""
    stop = Event()
    try:
        yield stop
    except BaseException:
        stop.set()
        raise


def _await(running: list[Future[bool]], stop: Event) -> None:
    done, _ = wait(running, return_when=FIRST_EXCEPTION)
    errors = [error for future in done if (error := future.exception())]
    if errors:
        stop.set()
        for future in running:
            future.cancel()
        raise errors[0]
