"""The errors of the series engine; each message names the thing that is wrong and what to do next."""


class SeriesError(Exception):
    """Anything the series engine refuses."""


class SeriesRequestError(SeriesError, ValueError):
    """A parameter or geometry that cannot be understood; the message names the choices."""


class UnknownCrsError(SeriesRequestError):
    """A file whose numbers are no degrees, and that does not say what they are; the message says how to tell."""


class SeriesTooLargeError(SeriesError):
    """A request over a limit; the message gives the numbers and what to change.

    `pixels` are those of one feature, where it is that one which is too large: infinite where no limit would do.
    `resolution`, in metres, is the finest in which as much can be read.
    """

    def __init__(self, message: str, *, pixels: float = 0, resolution: int | None = None) -> None:
        super().__init__(message)
        self.pixels = pixels
        self.resolution = resolution


class UnreadableError(SeriesError):
    """An object that could not be read; the message names its key."""


class SilentStoreError(UnreadableError):
    """An object that could not be read because the store did not answer, or refused."""


class SourceAwayError(SeriesError):
    """What rows are made of cannot be had just now."""


class StoreAwayError(SourceAwayError):
    """The object store does not answer, or refuses everything: no row can be made."""


class DatabaseAwayError(SourceAwayError):
    """The database went away while rows were being made."""


class GoneError(SeriesError):
    """Nobody waits for the answer any more."""
