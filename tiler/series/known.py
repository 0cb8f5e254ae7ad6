"""What is worked out once for a request, and shared by the threads that read for it."""

from collections.abc import Callable, Hashable
from threading import Lock


class Known[T]:
    """Things by key."""

    def __init__(self) -> None:
        self._known: dict[Hashable, T] = {}
        self._lock = Lock()

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing known as `key`, made by `make()` on first use."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key]
