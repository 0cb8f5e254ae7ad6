import threading
from functools import partial

import pytest

from ingest.schedule import WORKERS, Task, run_tasks


def adds(name: str, needs: str = "") -> Task[str, str]:
    """A task that keeps its name behind those of its sources, in order."""

    def run(sources):
        return f"made {name}", "".join(sources[key] for key in sorted(sources)) + name

    return Task(name=name, run=run, needs=frozenset(needs))


def test_a_task_gets_what_its_sources_kept_and_its_result_is_heard() -> None:
    made: dict[str, str] = {}
    seen: list[str] = []

    def note(sources):
        seen.append(sources["a"] + sources["c"] + sources["x"])
        return "made z", ""

    tasks = [Task(name="z", run=note, needs=frozenset("acx")), adds("a"), adds("b"), adds("c", "ab")]
    run_tasks(tasks, {"x": "given"}, started=lambda _: None, finished=made.__setitem__)
    assert seen == ["aabcgiven"]
    assert made == {"a": "made a", "b": "made b", "c": "made c", "z": "made z"}


def test_what_can_be_made_of_the_sources_at_hand_goes_before_new_sources() -> None:
    started: list[str] = []
    tasks = [adds("a"), adds("b"), adds("c"), adds("d"), adds("e"), adds("z", "a")]
    run_tasks(tasks, {}, started=started.append, finished=lambda *_: None)
    assert sorted(started) == ["a", "b", "c", "d", "e", "z"]
    # No later than after those that ran beside its source.
    assert started.index("z") <= 2 * WORKERS


def test_no_more_than_the_workers_run_at_a_time() -> None:
    running, most = [], []
    lock = threading.Lock()

    def run(name, _):
        with lock:
            running.append(name)
            most.append(len(running))
        threading.Event().wait(0.02)
        with lock:
            running.remove(name)
        return None, None

    tasks = [Task(name=str(number), run=partial(run, str(number))) for number in range(8)]
    run_tasks(tasks, {}, started=lambda _: None, finished=lambda *_: None)
    assert max(most) <= WORKERS


def test_an_error_ends_the_work_and_is_told() -> None:
    started: list[str] = []

    def fail(_):
        raise OSError("no space left")

    tasks = [Task(name="bad", run=fail), *(adds(name) for name in "abcdefgh"), adds("z", "a")]
    with pytest.raises(OSError, match="no space left"):
        run_tasks(tasks, {}, started=started.append, finished=lambda *_: None)
    assert len(started) < len(tasks)


def test_needs_that_nobody_meets_are_named() -> None:
    with pytest.raises(ValueError, match="nobody meets: c"):
        run_tasks([adds("a"), adds("c", "ab")], {}, started=lambda _: None, finished=lambda *_: None)
