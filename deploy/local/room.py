"""Whether the stack's disks have room left: said before anything fails for want of it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import postgres
from environment import Stack
from ready import StackError

#: Bytes below which nothing is started: the database's journal and logs would soon stop everything.
LEAST = 200_000_000
#: Bytes below which it is said.
LITTLE = 1_000_000_000


def warning(stack: Stack, little: int = LITTLE) -> str:
    """Name the disks that are nearly full, and what to do; empty when there is room."""
    found = [_told(folder, free) for folder, free in _free(_folders(stack)) if free < little]
    return "\n".join(found)


def refuse_none(stack: Stack, least: int = LEAST) -> None:
    """Raise `StackError` when a disk is full."""
    full = [_told(folder, free) for folder, free in _free(_folders(stack)) if free < least]
    if full:
        raise StackError("\n".join(full) + "\nThen `make up` again.")


def _folders(stack: Stack) -> list[Path]:
    return [stack.home, *([postgres.data_folder(stack.home)] if stack.own_postgres else [])]


def _free(folders: Iterable[Path]) -> list[tuple[Path, int]]:
    """Return the room of each disk, under the first folder that is on it."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder in folders:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        disks.setdefault(there.stat().st_dev, (folder, shutil.disk_usage(there).free))
    return list(disks.values())


def _told(folder: Path, free: int) -> str:
    return (
        f"Only {free / 1e6:,.0f} MB are left on the disk of {folder}: remove something from it, or move the stack "
        "(make down; move the folder; SEN2EXTRACT_HOME=<its new place> make up)."
    )
