"""What the tests have other processes do: ingest, and die. A line to a server that can be cut."""

import multiprocessing
import os
import random
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

from ingest.pipeline import ingest_product
from stac.settings import Settings

ASSETS = frozenset({"B04", "B08", "SCL"})
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["ingest.pipeline"])


def ingest_until(source: str, settings: Settings, fatal: int) -> None:
    """Ingest a product; be killed as the step number `fatal` (from 0) begins."""
    count = iter(range(10_000))

    def step(_: str) -> None:
        if next(count) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    ingest_product(source, settings=settings, assets=ASSETS, step=step)


def ingest_all(sources: Sequence[str], settings: Settings, seed: int) -> list[tuple[str | None, str, str | None]]:
    """Ingest products in an order of one's own."""
    order = list(sources)
    random.Random(seed).shuffle(order)
    outcomes = [ingest_product(source, settings=settings, assets=ASSETS) for source in order]
    return [(outcome.product, outcome.state, outcome.reason) for outcome in outcomes]


class Line:
    """A port that leads to a server, until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: list[socket.socket] = []
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()
        for one in self._open:
            _end(one)
        self._open.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.cut()
        _end(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole.is_set():
                _end(here)
                continue
            there = socket.create_connection(self._target)
            self._open += [here, there]
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(source)
    _end(sink)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
