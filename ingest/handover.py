"""Products on their way from the worker that downloads to the one that ingests, where the two share no disk.

Each is one object of the bucket, a tar below `incoming/`, and so is there whole or not at all. Its address is its
source in the ledger; whichever worker ingests it unpacks it on its own disk first.
"""

import logging
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ingest import ledger
from ingest.errors import IngestError
from ingest.outcome import Outcome
from ingest.pipeline import ingest_product
from ingest.store import Store
from ingest.workspace import work_folder
from stac.errors import StacError
from stac.settings import Settings

log = logging.getLogger(__name__)

PREFIX = "incoming/"
"""What of the bucket is on its way; neither the catalogue nor `reconcile` know of it."""

_SETTLED = ("published", "superseded", "removed")


def hand_over(settings: Settings, product: Path) -> str:
    """Put a product's folder or file into the bucket and remove it here; returns its address there.

    Raises `StoreError`; then it is still here.
    """
    key = f"{PREFIX}{product.name}"
    with work_folder() as folder:
        packed = folder / "product.tar"
        with tarfile.open(packed, "w") as tar:
            tar.add(product, arcname=product.name)
        Store.connect(settings).put_file(key, packed, "application/x-tar")
    if product.is_dir():
        shutil.rmtree(product)
    else:
        product.unlink()
    return settings.s3_href(key)


def is_handed_over(source: str) -> bool:
    """Whether a source is an address of the bucket."""
    return source.startswith("s3://")


def waiting(settings: Settings) -> list[str]:
    """Addresses of the products that wait for ingestion, without those that were refused since they came."""
    found = {settings.s3_href(key): written for key, written in Store.connect(settings).entries(PREFIX)}
    refused = ledger.refusals(settings, found)
    return sorted(source for source, written in found.items() if source not in refused or refused[source] < written)


def ingest(source: str, *, settings: Settings, assets: frozenset[str] | None = None) -> Outcome:
    """`ingest_product` for a product that was handed over.

    It leaves the bucket's inbox once the catalogue has it, or has let it go.
    """
    name = ledger.name_of(source)
    try:
        with received(settings, source) as place:
            outcome = ingest_product(source, settings=settings, assets=assets, place=place)
        if _is_settled(settings, source):
            Store.connect(settings).remove([_key(settings, source)])
    except (IngestError, StacError, OSError) as error:
        log.warning("%s: %s", name, error)
        return Outcome(source=source, product=name, state="failed", reason=str(error))
    return outcome


@contextmanager
def received(settings: Settings, source: str) -> Iterator[str]:
    """The path of a product that was handed over, on this worker's disk while the block lasts.

    Raises `StoreError`, and `IngestError` for what nobody packed here.
    """
    name = PurePosixPath(source).name
    with work_folder() as folder:
        packed = Path(tempfile.mkdtemp(dir=folder)) / "product.tar"
        Store.connect(settings).get_file(_key(settings, source), packed)
        try:
            with tarfile.open(packed) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise IngestError(f"{source}: cannot be unpacked: {error}") from error
        packed.unlink()
        if not (folder / name).exists():
            raise IngestError(f"{source}: holds no {name}: remove it, and have the product fetched again")
        yield str(folder / name)


def _key(settings: Settings, source: str) -> str:
    return source.removeprefix(settings.s3_href(""))


def _is_settled(settings: Settings, source: str) -> bool:
    entry = ledger.find(settings, ledger.name_of(source), source)
    return entry is not None and entry.state in _SETTLED
