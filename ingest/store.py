"""The object store: put if absent, check, list, read, delete. Any S3 will do; the client is minio's."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from ingest.errors import StoreAwayError, StoreError
from stac.settings import Settings

_SHA256 = "sha256"
_CACHE = "public, max-age=31536000, immutable"
"""A changed file is a new key, so that every cache may keep an object for ever."""

_PASSING = frozenset({"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"})


@dataclass(frozen=True)
class Store:
    """A bucket. Every method raises `StoreError` naming the object if the store refuses or is away."""

    client: Minio
    bucket: str

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The bucket of `settings`; nothing is sent yet."""
        client = Minio(
            settings.store_host,
            access_key=settings.aws_access_key_id,
            secret_key=settings.aws_secret_access_key.get_secret_value(),
            secure=settings.store_is_https,
            region=settings.aws_region,
        )
        return cls(client, settings.s3_bucket)

    def make_bucket(self) -> None:
        """Create the bucket if it is not there."""
        with _asking(f"bucket {self.bucket}"):
            if not self.client.bucket_exists(self.bucket):
                self.client.make_bucket(self.bucket)

    def put(self, key: str, path: Path, *, sha256: str, media_type: str) -> bool:
        """Upload a file unless its key is there with the same checksum; then check what arrived. True if uploaded."""
        size = path.stat().st_size
        if self._holds(key, size, sha256):
            return False
        with _asking(f"{key}: upload failed"):
            self.client.fput_object(
                self.bucket,
                key,
                str(path),
                content_type=media_type,
                metadata={_SHA256: sha256, "Cache-Control": _CACHE},
            )
        if not self._holds(key, size, sha256):
            raise StoreError(f"{key}: the store does not hold what was uploaded ({size} bytes, sha256 {sha256})")
        return True

    def put_document(self, key: str, content: bytes, media_type: str) -> None:
        """Write a small object, replacing what is there: for item documents, whose keys do not change."""
        with _asking(f"{key}: upload failed"):
            self.client.put_object(self.bucket, key, io.BytesIO(content), len(content), content_type=media_type)

    def put_file(self, key: str, path: Path, media_type: str) -> None:
        """Upload a file, replacing what is there; it is there whole or not at all."""
        with _asking(f"{key}: upload failed"):
            self.client.fput_object(self.bucket, key, str(path), content_type=media_type)

    def get_file(self, key: str, path: Path) -> None:
        """Fetch an object into a file."""
        with _asking(f"{key}: cannot be read"):
            self.client.fget_object(self.bucket, key, str(path))

    def get(self, key: str) -> bytes:
        """Content of an object."""
        return self.get_range(key, 0, 0)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start` on, fewer where it ends; all of them for length 0."""
        with _asking(f"{key}: cannot be read"):
            response = self.client.get_object(self.bucket, key, offset=start, length=length)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Keys of all objects below `prefix`."""
        return (key for key, _ in self.entries(prefix))

    def entries(self, prefix: str = "") -> Iterator[tuple[str, datetime]]:
        """Keys of all objects below `prefix`, with when each was written."""
        return ((entry.object_name, entry.last_modified or datetime.now(UTC)) for entry in self._list(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Keys of all objects below `prefix`, with their size in bytes."""
        return {entry.object_name: entry.size or 0 for entry in self._list(prefix)}

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        with _asking(f"bucket {self.bucket}: objects cannot be removed"):
            refused = list(self.client.remove_objects(self.bucket, [DeleteObject(key) for key in keys]))
        if refused:
            raise StoreError(f"{refused[0].name}: cannot be removed: {refused[0].message}")

    def _list(self, prefix: str) -> Iterator[Any]:
        with _asking(f"bucket {self.bucket}: cannot be listed"):
            for entry in self.client.list_objects(self.bucket, prefix=prefix, recursive=True):
                if entry.object_name and not entry.is_dir:
                    yield entry

    def _holds(self, key: str, size: int, sha256: str) -> bool:
        with _asking(key):
            try:
                found = self.client.stat_object(self.bucket, key)
            except S3Error as error:
                if error.code in ("NoSuchKey", "NoSuchObject"):
                    return False
                raise
        stored = (found.metadata or {}).get(f"x-amz-meta-{_SHA256}")
        return bool(found.size == size and stored == sha256)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Have errors of the store, and of the way to it, be ours; `what` names the object, and what is asked."""
    try:
        yield
    except (MinioException, HTTPError) as error:
        away = isinstance(error, HTTPError | InvalidResponseError | ServerError) or (
            isinstance(error, S3Error) and error.code in _PASSING
        )
        raise (StoreAwayError if away else StoreError)(f"{what}: {error}") from error
