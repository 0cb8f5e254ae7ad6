"""The S3 store of the embedded stack and of the tests: SeaweedFS, from its PyPI wheel.

Run as a program it becomes the store of the stack.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from environment import ROOT, WEED_OFFSETS
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError


@dataclass(frozen=True, kw_only=True)
class Store:
    """One SeaweedFS: its folder, its first port (the S3 one), its keys."""

    folder: Path
    port: int
    access_key: str
    secret_key: str

    def configure(self, readable: str = "") -> None:
        """Write who may do what: our keys everything; the world may read objects of `readable`, and not list them."""
        credentials = {"accessKey": self.access_key, "secretKey": self.secret_key}
        rights = ["Admin", "Read", "List", "Tagging", "Write"]
        identities = [{"name": "sen2extract", "credentials": [credentials], "actions": rights}]
        if readable:
            identities.append({"name": "anonymous", "actions": [f"Read:{readable}"]})
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"identities": identities}, file)

    def command(self) -> list[str]:
        """Return the command that serves it, on loopback, every port set."""
        ports = [f"-{name}={self.port + offset}" for name, offset in WEED_OFFSETS.items()]
        off = ["-admin.ui=false", "-webdav=false", "-master.telemetry=false", "-s3.autoCreateBucket=false"]
        none = ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        return [
            str(ROOT / ".venv/bin/weed"),
            "mini",
            f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-s3.port={self.port}",
            f"-s3.config={self._config}",
            f"-s3.localSocket={self.folder / 's3.sock'}",
            f"-filer.localSocket={self.folder / 'filer.sock'}",
            *ports,
            *off,
            *none,
        ]

    def start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it as a child process that writes to `log`."""
        return subprocess.Popen(self.command(), stdout=log, stderr=log, env=clean_environment())

    @property
    def _config(self) -> Path:
        return self.folder / "s3.json"


def clean_environment() -> dict[str, str]:
    """Return our environment without `AWS_*` and `S3_*`, which SeaweedFS would take for settings of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}


def has_bucket(endpoint: str, access_key: str, secret_key: str, region: str, bucket: str) -> bool:
    """Create the bucket when it is not there; false while the store is not ready.

    Raises `minio.error.S3Error` when the store answers and refuses.
    """
    address = urlsplit(endpoint)
    client = Minio(
        address.netloc,
        access_key=access_key,
        secret_key=secret_key,
        region=region,
        secure=address.scheme == "https",
        http_client=PoolManager(retries=False, timeout=Timeout(5)),
    )
    try:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    except S3Error as error:
        if error.code not in {"BucketAlreadyOwnedByYou", "InternalError", "ServiceUnavailable", "SlowDown"}:
            raise
        return error.code == "BucketAlreadyOwnedByYou"
    except (MinioException, HTTPError):
        return False
    return True


def main() -> None:
    """Become the stack's object store."""
    store = Store(
        folder=Path(os.environ["SEN2EXTRACT_HOME"]) / "s3",
        port=int(os.environ["SEN2EXTRACT_S3_PORT"]),
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    store.configure(readable=os.environ["S3_BUCKET"])
    command = store.command()
    os.execve(command[0], command, clean_environment())  # noqa: S606 - becomes the store, no shell wanted


if __name__ == "__main__":
    main()
