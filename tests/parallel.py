"""Tests side by side (`pytest -n 2`): a module to a worker, and all that needs the one running stack to one; a plugin.

Each worker has servers of its own (PostgreSQL, S3), so that nothing is shared but the machine.
"""

from collections import Counter
from typing import Any

import pytest

STACK = ("system", "web")
"""Folders whose tests use the running stack, in this order: the page's add to its archive what others do not expect."""
SERVERS = frozenset({"postgres", "store", "running"})
"""Fixtures of tests that take long."""


def unit(nodeid: str) -> str:
    """Name of what goes to a worker as a whole."""
    module = nodeid.split("::", 1)[0]
    return "stack" if module.split("/")[1] in STACK else module


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest first, so that quick modules are left to even out the end: the stack, then what needs servers."""
    if not hasattr(config, "workerinput"):
        return
    slow = Counter(unit(item.nodeid) for item in items if SERVERS.intersection(getattr(item, "fixturenames", ())))
    items.sort(key=lambda item: (unit(item.nodeid) != "stack", -slow[unit(item.nodeid)], unit(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByServers(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False
    return ByServers(config, log)
