"""What several tests of ingestion need."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@pytest.fixture
def without_rights(tmp_path: Path) -> Callable[[Path], AbstractContextManager[None]]:
    """A context in which a folder below `tmp_path` may not be read, not even if the tests are run by root."""
    # pytest's own folder for this user: of one process it lies two levels up, of a worker three.
    base = next((at.parent for at in tmp_path.parents if at.name.startswith("pytest-of-")), tmp_path.parents[2])
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(base) and folder != base:
            folder.chmod(0o755)

    @contextmanager
    def context(folder: Path) -> Iterator[None]:
        before, root = folder.stat().st_mode, os.geteuid() == 0
        folder.chmod(0)
        if root:
            os.seteuid(_NOBODY)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(before)

    return context
