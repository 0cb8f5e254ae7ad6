"""Ports and patience for the servers that tests and benchmarks start."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy" / "local"))

import processes

_PORTS = range(11_000, 21_000)
"""Below those that systems give to connections going out, with the largest offset of SeaweedFS added, too."""
_APART = 64
_PROCESSES = 8
_given: set[int] = set()


def free_port(offsets: Iterable[int] = ()) -> int:
    """A port on which nothing listens, nor at these offsets from it.

    None is given twice, and workers side by side, or both environments' tests, find different ones: between finding
    and listening nobody else takes it.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")) + 1
    while True:
        first = secrets.choice(_PORTS)
        ports = [first, *(first + offset for offset in offsets)]
        mine = first // _APART % _PROCESSES == process % _PROCESSES and first % _APART < _APART // 2
        if mine and _given.isdisjoint(ports) and not processes.taken(ports):
            _given.update(ports)
            return first


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Ask until it is ready; raises `TimeoutError` naming `what`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not become ready in {seconds} s")
        time.sleep(0.1)
