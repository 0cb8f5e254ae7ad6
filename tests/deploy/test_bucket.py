"""The job that makes the bucket, against a real S3 store that is not MinIO."""

import runpy
import urllib.request
import uuid
from pathlib import Path
from urllib.error import HTTPError

import pytest
from pydantic import SecretStr

from ingest.store import Store
from stac.settings import Settings

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "bucket.py"


@pytest.fixture
def bucket(store, monkeypatch) -> Store:
    """A bucket that the job has made, twice."""
    name = f"public-{uuid.uuid4().hex[:8]}"
    values = store | {"s3_bucket": name, "aws_region": "us-east-1"}
    for variable, value in values.items():
        monkeypatch.setenv(variable.upper(), value)
    for _ in range(2):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    secret = SecretStr(values.pop("aws_secret_access_key"))
    return Store.connect(Settings(**values, aws_secret_access_key=secret))


def status(address: str, method: str = "GET") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method=method)) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_anyone_may_read_an_object_and_nothing_else(bucket, store):
    bucket.put_document("a/b.json", b"{}", "application/json")
    root = f"{store['s3_endpoint']}/{bucket.bucket}"
    assert status(f"{root}/a/b.json") == 200
    assert status(f"{root}/?list-type=2") == 403
    assert status(f"{root}/a/b.json", "DELETE") == 403
    assert bucket.get("a/b.json") == b"{}"
