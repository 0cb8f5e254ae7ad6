"""Tasks that build on one another, a few at a time in threads; what nobody needs any more is let go at once.

Threads and not processes: decoding, encoding and the arithmetic of arrays all release the GIL, and threads share the
arrays as they are. How many run at a time bounds the memory: a full-size image takes a third of a gigabyte in the work.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

WORKERS = min(2, os.cpu_count() or 1)
"""More cores are better used by several products at a time."""


@dataclass(frozen=True, kw_only=True)
class Task[Made, Kept]:
    """A piece of work: from what the tasks `needs` have kept, to a result and what it keeps for others in turn."""

    name: str
    run: Callable[[Mapping[str, Kept]], tuple[Made, Kept]]
    needs: frozenset[str] = frozenset()


def run_tasks[Made, Kept](
    tasks: Iterable[Task[Made, Kept]],
    kept: Mapping[str, Kept],
    *,
    started: Callable[[str], None],
    finished: Callable[[str, Made], None],
) -> None:
    """Run `tasks` in their order, but one whose needs are met as soon as they are; `kept` holds what there is already.

    `started` and `finished` are called in this thread. The first error of a task is raised when those that run have
    ended, and no further one is begun.
    """
    waiting = list(tasks)
    held = dict(kept)
    running: dict[Future[tuple[Made, Kept]], Task[Made, Kept]] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        while waiting or running:
            while len(running) < WORKERS and (task := _next(waiting, held)):
                waiting.remove(task)
                started(task.name)
                running[pool.submit(task.run, {name: held[name] for name in task.needs})] = task
            if not running:
                raise ValueError(f"tasks whose needs nobody meets: {', '.join(task.name for task in waiting)}")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                made, held[task.name] = future.result()
                finished(task.name, made)
            del future
            needed = frozenset[str]().union(*(task.needs for task in waiting))
            held = {name: value for name, value in held.items() if name in needed}


def _next[Made, Kept](waiting: list[Task[Made, Kept]], held: Mapping[str, Kept]) -> Task[Made, Kept] | None:
    """The next task that can run; one that uses what is held goes before one that adds to it."""
    ready = [task for task in waiting if task.needs <= held.keys()]
    return max(ready, key=lambda task: bool(task.needs), default=None)
