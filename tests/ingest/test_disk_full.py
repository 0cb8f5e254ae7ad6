import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.pipeline import ingest_product
from ingest.sample import ProductSpec, write_product
from ingest.store import Store
from stac import catalog
from stac.collections import L2A
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2025, 5, 20, 3, 11, 21, tzinfo=UTC), size=192, cloudiness=0.4)


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes; the servers are processes of their own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return write_product(SPEC, tmp_path)


def test_a_full_disk_fails_the_product_and_leaves_nothing_behind(
    settings: Settings, product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with file_limit(20_000):
        outcome = ingest_product(str(product), settings=settings)
    assert outcome.state == "failed"
    assert "cannot be written to" in (outcome.reason or "")
    assert "set TMPDIR to a larger disk" in (outcome.reason or "")
    assert list(scratch.iterdir()) == []
    assert catalog.get_item(settings, L2A, SPEC.name) is None
    assert list(Store.connect(settings).keys(f"{L2A}/")) == []
