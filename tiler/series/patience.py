"""How long a request is worked on: until its client has gone, the store does not answer, or GDAL has had its time."""

import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError

from tiler.series.errors import GoneError, SilentStoreError, StoreAwayError, UnreadableError
from tiler.series.grid import Image

_ENOUGH = 8
"""Reads that fail before one is believed to have succeeded: then the store is asked whether it is there."""


@dataclass(kw_only=True)
class Patience:
    """Shared by the threads that work on one request. `gone` is set when nobody waits for the answer any more."""

    gone: Event = field(default_factory=Event)
    gdal_seconds: float = 60
    _began: float = field(default_factory=time.monotonic)
    _lock: Lock = field(default_factory=Lock)
    _answered: bool = False
    _silent: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise `GoneError` if nobody waits."""
        if self.gone.is_set():
            raise GoneError("the client has gone")

    def check_gdal(self, image: Image) -> None:
        """Raise `UnreadableError` where GDAL has read long enough for one request."""
        if time.monotonic() - self._began > self.gdal_seconds:
            why, advice = (
                ("is not in the block index", "run sen2extract reconcile --fix")
                if image.is_in_full
                else ("is read from its overview", "ask for a shorter datetime, or send it as a job")
            )
            raise UnreadableError(
                f"{image.key} {why}, and the {self.gdal_seconds:g} s for reading such images are over: {advice}"
            )

    def answered(self) -> None:
        """The store has sent something."""
        self._answered = True

    def failed(self, store: Any, key: str, error: Exception) -> None:
        """An object could not be read; raises `StoreAwayError` when it is the store that is away, not the object."""
        if not isinstance(error, SilentStoreError):
            self.answered()
            return
        with self._lock:
            self._silent.append(key)
        if len(self._silent) >= _ENOUGH:
            self.conclude(store)

    def conclude(self, store: Any) -> None:
        """Raise `StoreAwayError` where all reads have failed because the store is away or refuses."""
        if self._answered or not self._silent:
            return
        with self._lock:
            try:
                obstore.head(store, self._silent[0])
            except (FileNotFoundError, NotFoundError):
                pass
            except BaseError as error:
                raise StoreAwayError("the object store does not answer or refuses: try again later") from error
            self._answered = True


class Guarded(Executor):
    """An executor that begins nothing any more once nobody waits."""

    def __init__(self, executor: Executor, patience: Patience) -> None:
        self._executor = executor
        self._patience = patience

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Like the executor's own; the future raises `GoneError` if it comes too late."""
        return self._executor.submit(self._run, fn, *args, **kwargs)

    def _run(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self._patience.check()
        return fn(*args, **kwargs)
