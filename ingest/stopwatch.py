"""How long each step of an ingestion takes."""

import time
from collections import defaultdict
from collections.abc import Callable


class Stopwatch:
    """Called with the name of each step as it begins; passes it on to `step`."""

    def __init__(self, step: Callable[[str], None]) -> None:
        self._step = step
        self._started = self._since = time.monotonic()
        self._current: str | None = None
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def __call__(self, name: str) -> None:
        """End the step before and begin the step `name`."""
        self._pass()
        self._current = name
        self._step(name)

    def seconds(self) -> dict[str, float]:
        """Seconds by step so far, in the order in which they came."""
        self._pass()
        return {name: round(spent, 3) for name, spent in self._seconds.items()}

    def total(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._started, 3)

    def _pass(self) -> None:
        now = time.monotonic()
        if self._current is not None:
            self._seconds[self._current] += now - self._since
        self._since = now
