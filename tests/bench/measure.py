"""What a piece of work costs: seconds of wall clock and CPU, peak memory, in a process of its own."""

import gc
import multiprocessing
import os
import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of wall clock and of CPU (user and system, children included), peak resident memory in MB, the result.

    `memory` is the peak of the process that worked; processes that it starts itself are not added to it.
    """

    wall: float
    cpu: float
    memory: float
    result: Any = None


def measure(work: Callable[..., Any], *arguments: Any) -> Cost:
    """Run `work(*arguments)` once in a fresh process, so that its memory and CPU are nobody else's.

    Imports are not counted: `work` is imported, and its module with it, before the clocks start, and the garbage
    collector's walk through what they left is spared everybody, as the service spares itself. Both `work` (a module's
    function) and the arguments are pickled.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, work, arguments).result()


def clocked(work: Callable[..., Any], *arguments: Any) -> Cost:
    """Run `work(*arguments)` once in this process; `memory` is the peak since the process began."""
    return _measured(work, arguments)


def _measured(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Cost:
    gc.freeze()
    started, used = time.perf_counter(), _cpu()
    result = work(*arguments)
    return Cost(wall=time.perf_counter() - started, cpu=_cpu() - used, memory=_peak(), result=result)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak() -> float:
    """Megabytes. Not `RUSAGE_SELF`: its peak outlives exec: a process begins with that of whoever started it."""
    (own,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
