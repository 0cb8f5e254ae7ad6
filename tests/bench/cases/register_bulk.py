"""Products registered in bulk by two writers at once: items, block index and ledger, beside pypgstac's loader.

An item is a scene with its 16 images or its index product with five; what is measured is one transaction per hundred
products, as `rebuild` publishes them, and the ledger brought in line at the end. A writer is a process, which is given
its products before the clock starts. The peer upserts such items, with neither block index nor ledger. `ours` and
`peer` are milliseconds per item.
"""

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from multiprocessing.synchronize import Barrier
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
_PATIENCE = 300
_FIRST, _PEERS_FIRST = datetime(2024, 1, 1, 3, 11, 21, tzinfo=UTC), datetime(2022, 1, 1, 3, 11, 21, tzinfo=UTC)

type Batch = tuple[Registered, ...]

_start: list[Barrier] = []
"""What a writer's process waits for."""


def run() -> dict[str, Any]:
    with catalogue() as settings:
        made = list(islice(products(settings, _FIRST), PRODUCTS // BATCH))
        others = list(islice(products(settings, _PEERS_FIRST), PRODUCTS // BATCH))
        register(settings, next(products(settings, datetime(2024, 6, 1, tzinfo=UTC), 1)))  # the partitions
        ours, cpu = _seconds(settings, made)
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
        "ours_python_cpu_ms": cpu / items * 1000,
        "peer_items_per_s": items / peer,
        "held": held,
    }


def _seconds(settings: Settings, batches: list[Batch]) -> tuple[float, float]:
    """Wall clock, and CPU of the writers."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WRITERS + 1)
    with ProcessPoolExecutor(WRITERS, mp_context=context, initializer=_meet, initargs=(start,)) as pool:
        writers = [pool.submit(_write, settings, batches[number::WRITERS]) for number in range(WRITERS)]
        start.wait(_PATIENCE)
        started = time.perf_counter()
        cpu = sum(writer.result() for writer in writers)
        alignment.align(settings)
        return time.perf_counter() - started, cpu


def _meet(start: Barrier) -> None:
    _start.append(start)


def _write(settings: Settings, batches: list[Batch]) -> float:
    """Register once all are ready; returns seconds of CPU."""
    gc.freeze()
    _start[0].wait(_PATIENCE)
    used = time.process_time()
    register(settings, *batches)
    return time.process_time() - used


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
