"""Products registered in bulk by two writers at once: items, block index and ledger, beside pypgstac's loader.

An item is a scene with its 16 images or its index product with five; what is measured is one transaction per hundred
products, as `rebuild` publishes them, and the ledger brought in line at the end. Making the items is not counted. The
peer upserts the same items, with neither block index nor ledger. `ours` and `peer` are milliseconds per item.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg
from pypgstac.db import PgstacDB
from pypgstac.load import Loader, Methods
from registering import BATCH, Registered, products, register
from servers import catalogue

from ingest import alignment
from stac.settings import Settings

PRODUCTS = int(os.environ.get("BENCH_PRODUCTS", "1000"))
WRITERS = 2
_FIRST, _PEERS_FIRST = datetime(2024, 1, 1, 3, 11, 21, tzinfo=UTC), datetime(2022, 1, 1, 3, 11, 21, tzinfo=UTC)

type Batch = tuple[Registered, ...]


def run() -> dict[str, Any]:
    with catalogue() as settings:
        made = list(islice(products(settings, _FIRST), PRODUCTS // BATCH))
        others = list(islice(products(settings, _PEERS_FIRST), PRODUCTS // BATCH))
        register(settings, next(products(settings, datetime(2024, 6, 1, tzinfo=UTC), 1)))  # the partitions
        ours = _seconds(settings, made)
        peer = _peer_seconds(settings, others)
        held = _held(settings)
    items = 2 * PRODUCTS
    return {
        "ours": ours / items * 1000,
        "peer": peer / items * 1000,
        "unit": "ms per item",
        "items": items,
        "writers": WRITERS,
        "ours_items_per_s": items / ours,
        "peer_items_per_s": items / peer,
        "held": held,
    }


def _seconds(settings: Settings, batches: list[Batch]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda batch: register(settings, batch), batches))
    alignment.align(settings)
    return time.perf_counter() - started


def _peer_seconds(settings: Settings, batches: list[Batch]) -> float:
    documents = [item for batch in batches for one in batch for item in one.items]
    started = time.perf_counter()
    for collection in sorted({document["collection"] for document in documents}):
        loader = Loader(PgstacDB(dsn=settings.pg_dsn))
        loader.load_items(_of(documents, collection), Methods.upsert)
    return time.perf_counter() - started


def _of(documents: list[dict[str, Any]], collection: str) -> Iterator[dict[str, Any]]:
    return (document for document in documents if document["collection"] == collection)


def _held(settings: Settings) -> dict[str, int]:
    """What is there in the end: nothing may be lost."""
    with psycopg.connect(settings.pg_dsn) as connection:
        tables = {"items": "pgstac.items", "blocks": "sen2extract.blocks", "ledger": "sen2extract.ledger"}
        found = {}
        for name, table in tables.items():
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert row is not None
            found[name] = row[0]
    return found
