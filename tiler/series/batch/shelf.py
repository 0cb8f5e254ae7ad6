"""The files of one job in the bucket, below `jobs/{id}/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from stac.jobs import PREFIX
from tiler.series.errors import SeriesError

_JSON = "application/json"


class ShelfError(SeriesError):
    """The store does not keep or give back a job's file; the message names it."""


class MissingFileError(ShelfError):
    """A job's file is not there; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The files of a job by their names; every method raises `ShelfError` if the store refuses or is away."""

    store: S3Store
    job: str

    def key(self, name: str) -> str:
        """The key of a file in the bucket."""
        return f"{PREFIX}{self.job}/{name}"

    def read(self, name: str) -> bytes:
        """Content of a file; raises `MissingFileError`."""
        try:
            return obstore.get(self.store, self.key(name)).bytes().to_bytes()
        except (NotFoundError, FileNotFoundError) as error:
            raise MissingFileError(f"{self.key(name)} is not in the bucket: the job has been removed") from error
        except BaseError as error:
            raise self._refusal(name, error) from error

    def read_json(self, name: str) -> Any:
        """A JSON file of ours."""
        return json.loads(self.read(name))

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        try:
            obstore.head(self.store, self.key(name))
        except (NotFoundError, FileNotFoundError):
            return False
        except BaseError as error:
            raise self._refusal(name, error) from error
        return True

    def put(
        self, name: str, content: bytes | Path, media_type: str = _JSON, *, more: Mapping[str, str] | None = None
    ) -> None:
        """Write a file, whole or not at all, in place of one that is there; `more` are headers it is served with."""
        try:
            obstore.put(self.store, self.key(name), content, attributes={"Content-Type": media_type, **(more or {})})
        except (BaseError, OSError) as error:
            raise self._refusal(name, error) from error

    def put_once(self, name: str, content: bytes, media_type: str = _JSON) -> bool:
        """Write a file unless it is there; False if it was, whoever wrote it."""
        if self.has(name):
            return False
        try:
            # Not in parts: only a single request can be told to write nothing where something is.
            obstore.put(
                self.store,
                self.key(name),
                content,
                attributes={"Content-Type": media_type},
                mode="create",
                use_multipart=False,
            )
        except AlreadyExistsError:
            return False
        except BaseError as error:
            raise self._refusal(name, error) from error
        return True

    def clear(self) -> None:
        """Remove all files of the job."""
        try:
            for batch in obstore.list(self.store, prefix=f"{PREFIX}{self.job}/"):
                obstore.delete(self.store, [entry["path"] for entry in batch])
        except (NotFoundError, FileNotFoundError):
            return
        except BaseError as error:
            raise self._refusal("", error) from error

    def _refusal(self, name: str, error: Exception) -> ShelfError:
        return ShelfError(f"{self.key(name)}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
