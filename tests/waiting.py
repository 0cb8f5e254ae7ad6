"""Ports and patience for the servers that tests and benchmarks start."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy" / "local"))

import processes

_LAST_PORT = 65535
_APART = 64


def free_port(offsets: Iterable[int] = ()) -> int:
    """A port on which nothing listens, nor at these offsets from it; workers side by side find different ones."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first // _APART % workers != worker:
            continue
        ports = [first + offset for offset in offsets]
        if max(ports, default=0) <= _LAST_PORT and not processes.taken(ports):
            return first


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Ask until it is ready; raises `TimeoutError` naming `what`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not become ready in {seconds} s")
        time.sleep(0.1)
