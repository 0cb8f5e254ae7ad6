"""The stored numbers that a unit reads: what packs delivered, blocks fetched ahead or when asked for, else GDAL's."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any

from numpy.typing import NDArray
from obstore.store import S3Store

from tiler.series import blocks
from tiler.series.blocks import Located, StaleIndexError
from tiler.series.errors import SeriesError, UnreadableError
from tiler.series.grid import Image, Window
from tiler.series.patience import Patience
from tiler.series.reading import read_window
from tiler.series.units import Unit, Want

type Windows = Mapping[Window, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class UnitSource:
    """A source for one unit and one thread: what was fetched for it, what can be fetched still, GDAL for the rest.

    `unindexed` gathers the objects that GDAL has to read, which `gdal` lets it do only so many at once.
    """

    store: S3Store
    unit: Unit
    fetched: dict[str, Future[Windows]]
    unindexed: set[str]
    gdal: BoundedSemaphore
    patience: Patience = field(default_factory=Patience)
    _read: dict[str, Windows | SeriesError] = field(default_factory=dict)

    def read(self, image: Image, window: Window) -> NDArray[Any]:
        """Stored numbers of `window` on the image's own grid; raises `UnreadableError` naming the object.

        Raises `StoreAwayError` or `GoneError` where there is no use in reading on.
        """
        self.patience.check()
        located, want = self.unit.located.get(image.key), self.unit.wants.get(image.key)
        if want is not None and window in want.delivered:
            return want.delivered[window]
        if located is None or want is None:
            counted = image.is_in_full and (want is None or want.is_left)
            return self._by_gdal(image, window, counted=counted)
        if not blocks.fits(image, located.image):
            raise UnreadableError(f"{image.key} is not of the size that the catalogue says: reconcile the archive")
        try:
            if want.in_pieces and located.holds(window):
                return self._piece(located, window)
            if window not in want.windows:  # where a tile that failed left its ground to this one
                return self._by_gdal(image, window, counted=False)
            return self._windows(want, located)[window]
        except StaleIndexError:
            return self._by_gdal(image, window)

    def _piece(self, located: Located, window: Window) -> NDArray[Any]:
        """One window, nothing of which is kept."""
        try:
            (found,) = blocks.read(self.store, located, [window])
        except (UnreadableError, StaleIndexError) as error:
            self.patience.failed(self.store, located.image.key, error)
            raise
        self.patience.answered()
        return found

    def _windows(self, want: Want, located: Located) -> Windows:
        """All windows of an image, read once; what failed once is not tried again for each feature and index."""
        key = want.image.key
        if key not in self._read:
            future = self.fetched.pop(key, None)
            try:
                self._read[key] = future.result() if future else _windows(self.store, located, want.left)
                self.patience.answered()
            except (UnreadableError, StaleIndexError) as error:
                self._read[key] = error
                self.patience.failed(self.store, key, error)
        found = self._read[key]
        if isinstance(found, SeriesError):
            raise found
        return found

    def _by_gdal(self, image: Image, window: Window, *, counted: bool = True) -> NDArray[Any]:
        if counted:
            self.unindexed.add(image.key)
        with self.gdal:
            self.patience.check_gdal(image)
            try:
                found = read_window(image, window)
            except UnreadableError as error:
                self.patience.failed(self.store, image.key, error)
                raise
        self.patience.answered()
        return found


def fetch(store: S3Store, unit: Unit, executor: Executor) -> dict[str, Future[Windows]]:
    """Begin to read what the unit surely needs, an object each."""
    return {
        key: executor.submit(_windows, store, unit.located[key], want.left)
        for key, want in unit.wants.items()
        if not (want.later or want.in_pieces)
        and key in unit.located
        and blocks.fits(want.image, unit.located[key].image)
    }


def _windows(store: S3Store, located: Located, windows: Sequence[Window]) -> Windows:
    return dict(zip(windows, blocks.read(store, located, windows), strict=True))
