"""Ports, process trees and logs: what starting and stopping the stack cleanly takes."""

import os
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds that the children of a process that has ended get to follow it.
_AFTERWARDS = 3.0


@dataclass(frozen=True)
class Process:
    """A row of the process table; `started` (clock ticks since boot) tells a reused pid apart."""

    pid: int
    parent: int
    session: int
    started: int
    state: str


def table() -> list[Process]:
    """Read the process table from /proc; processes that end meanwhile are left out."""
    rows = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The second field is the name in brackets and may hold spaces.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        rows.append(Process(int(entry.name), int(fields[1]), int(fields[3]), int(fields[19]), fields[0]))
    return rows


def started(pid: int) -> int | None:
    """Return when a running process started (clock ticks since boot), None when there is no such process."""
    return next((row.started for row in table() if row.pid == pid and row.state != "Z"), None)


def boot() -> str:
    """Return what tells one run of the machine from the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def family(pid: int) -> set[Process]:
    """Return a process, its descendants, and all in the sessions they lead, which orphans do not leave.

    Of a process that has ended, its session is left.
    """
    rows = table()
    members = {row for row in rows if pid in {row.pid, row.session}}
    while True:
        pids = {row.pid for row in members}
        sessions = {row.session for row in members if row.session in pids}
        more = {row for row in rows if row.parent in pids or row.session in sessions} | members
        if more == members:
            return members
        members = more


def alive(members: Iterable[Process]) -> set[Process]:
    """Return those still running, zombies left out."""
    now = {(row.pid, row.started) for row in table() if row.state != "Z"}
    return {row for row in members if (row.pid, row.started) in now}


def stop(pid: int, patience: float, since: int | None = None) -> set[Process]:
    """Ask a process manager to stop, wait `patience` seconds, then kill what is left; return what had to be killed.

    Of one that has ended already, what it left behind is asked instead. `since` is when it started: another process
    that has its pid now is none of ours, nor is anything of it left then.
    """
    if since is not None and started(pid) not in {None, since}:
        return set()
    members = family(pid)
    _signal({row for row in members if row.pid == pid} or members, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while (left := alive(members)) and time.monotonic() < deadline:
        if all(row.pid != pid for row in left):
            deadline = min(deadline, time.monotonic() + _AFTERWARDS)
        time.sleep(0.1)
        members |= {row for row in family(pid) if row not in members}
    _signal(left, signal.SIGKILL)
    while alive(left):
        time.sleep(0.05)
    return left


def orphans(pid: int) -> set[Process]:
    """Return what of a manager's session has lost its parent and has no child: nobody will ever ask it for anything."""
    rows = table()
    members = {row for row in rows if row.session == pid}
    pids, parents = {row.pid for row in members}, {row.parent for row in rows}
    return {row for row in members if row.parent not in pids and row.pid not in parents | {pid}}


def _signal(members: Iterable[Process], number: signal.Signals) -> None:
    for row in members:
        try:
            os.kill(row.pid, number)
        except ProcessLookupError:
            continue


def taken(ports: Iterable[int]) -> list[int]:
    """Return those of the ports on which something listens already."""
    return [port for port in ports if _listens(port)]


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def tail(path: Path, lines: int = 25) -> str:
    """Return the last lines of a log file."""
    if not path.exists():
        return "(no log yet)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
