"""Tests side by side (`pytest -n 2`): a module to a worker, and all that needs the one running stack to one; a plugin.

Each worker has servers of its own (PostgreSQL, S3), so that nothing is shared but the machine.
"""

from typing import Any

import pytest

STACK = ("system", "web")
"""Folders whose tests use the running stack, in this order: the page's add to its archive what others do not expect."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByServers(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.split("::", 1)[0]
            return "stack" if module.split("/")[1] in STACK else module

    return ByServers(config, log)
