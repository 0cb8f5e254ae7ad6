"""How long the steps of a request took, as its header `Server-Timing` tells."""

import time
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Stopwatch:
    """Milliseconds per named step, as `Server-Timing` wants them."""

    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Note the time since the last lap as that of `name`."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now

    @property
    def header(self) -> str:
        """The value of a `Server-Timing` header."""
        return ", ".join(f"{name};dur={duration:.1f}" for name, duration in self.laps.items())
