"""The process manager of the embedded stack, supervisor: start it, ask it, stop it.

It listens on a Unix socket in the stack's folder and nowhere else. Paths of sockets may have 107 bytes and folders are
where users want them, so that both sides name it below an open folder: `/proc/self/fd/7/supervisor.sock`.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy

import processes
from environment import ROOT, Stack
from services import SERVICES, configuration
from supervisor.xmlrpc import Faults, SupervisorTransport

#: What supervisor calls a process -> what we call it. Younger than a minute, it is "STARTING", whatever it does.
WORDS = {
    "STARTING": "running",
    "RUNNING": "running",
    "BACKOFF": "restarting",
    "EXITED": "restarting",
    "STOPPING": "stopping",
    "STOPPED": "stopped",
    "FATAL": "gave up",
    "UNKNOWN": "stopped",
}


class ManagerError(RuntimeError):
    """The process manager does not do what it was asked for; the message says what it said."""


@dataclass(frozen=True, kw_only=True)
class State:
    """One process as it is now: `uptime` in seconds, how often it was started again, where it writes to."""

    name: str
    state: str
    pid: int
    uptime: int
    restarts: int
    log: str

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def pid(stack: Stack) -> int:
    """Return the pid of the manager, 0 when there is none."""
    known = _recorded(stack)
    # A pid may belong to another process by now, after a restart of the machine for one.
    return known[0] if known and processes.started(known[0]) == known[1] else 0


def is_known(stack: Stack) -> bool:
    """Say whether a manager runs, or has ended otherwise than by being stopped."""
    return (stack.run / "manager.pid").exists()


def start(stack: Stack) -> None:
    """Start the manager with no process yet, unless it runs; what a killed one has left behind is stopped first.

    Raises `ManagerError` when it does not answer.
    """
    if pid(stack):
        return
    stop(stack)
    (stack.run / "supervisord.conf").write_text(configuration())
    folder = os.open(stack.run, os.O_PATH | os.O_DIRECTORY)
    try:
        # It becomes a daemon as soon as it listens.
        done = subprocess.run(
            [
                *(sys.executable, "-m", "supervisor.supervisord"),
                *("--configuration", f"/proc/self/fd/{folder}/supervisord.conf"),
                f"--umask={_umask():o}",
                # It warns of being root unless it was told to be.
                *(["--user=root"] if os.geteuid() == 0 else []),
            ],
            cwd=ROOT,
            env={**stack.env, "SUPERVISOR_FOLDER": f"/proc/self/fd/{folder}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            pass_fds=(folder,),
        )
    finally:
        os.close(folder)
    if done.returncode:
        raise ManagerError(f"The process manager did not start:\n{done.stdout}")
    with _asked(stack) as supervisor:
        number = supervisor.getPID()
    (stack.run / "manager.pid").write_text(f"{number} {processes.started(number)} {processes.boot()}")


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def run(stack: Stack, name: str) -> None:
    """Have a process started, and started again whenever it ends; one that runs already is left alone."""
    with _asked(stack) as supervisor:
        try:
            supervisor.startProcess(f"{SERVICES[name].group}:{name}", False)  # noqa: FBT003 - positional in XML-RPC
        except Fault as fault:
            if fault.faultCode == Faults.ALREADY_STARTED:
                return
            raise ManagerError(f"{name} cannot be started: {fault.faultString}") from fault


def states(stack: Stack) -> dict[str, State]:
    """Return each process of the stack by name, in the order of their start; those never started as stopped."""
    told: dict[str, Any] = {}
    count = Counter[str]()
    if pid(stack):
        with _asked(stack) as supervisor:
            told = {row["name"]: row for row in supervisor.getAllProcessInfo()}
        count = starts(stack)
    return {name: _state(stack, name, told.get(name, {}), count[name]) for name in wanted(stack)}


def wanted(stack: Stack) -> list[str]:
    """Return the names of the processes that this stack runs itself."""
    elsewhere = {"postgres": not stack.own_postgres, "s3": not stack.own_store}
    return [name for name in SERVICES if not elsewhere.get(name)]


def _state(stack: Stack, name: str, told: Mapping[str, Any], count: int) -> State:
    state = WORDS[told.get("statename", "STOPPED")]
    return State(
        name=name,
        state=state,
        pid=told.get("pid", 0),
        uptime=told["now"] - told["start"] if state == "running" else 0,
        restarts=max(0, count - 1),
        log=str(stack.log / f"{name}.log"),
    )


def starts(stack: Stack) -> Counter[str]:
    """Count how often the running manager has started each process."""
    path = stack.log / "supervisord.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    return Counter(re.findall(r" spawned: '([^']+)' with pid", text.rpartition(" supervisord started with pid ")[2]))


def stop(stack: Stack) -> None:
    """Stop all processes, those that others rest on last, then the manager; or what it left when it was killed."""
    if known := _recorded(stack):
        processes.stop(known[0], patience=sum(_patience(group) for group in ("services", "stores")), since=known[1])
    (stack.run / "manager.pid").unlink(missing_ok=True)


def _patience(group: str) -> float:
    """Return the seconds after which supervisor will have killed what is left of a group."""
    return 3.0 + max(service.patience for service in SERVICES.values() if service.group == group)


def environment(stack: Stack) -> dict[str, str]:
    """Return the environment that the running manager hands down; empty when it cannot be told."""
    try:
        text = Path(f"/proc/{pid(stack)}/environ").read_bytes()
    except OSError:
        return {}
    return dict(os.fsdecode(pair).partition("=")[::2] for pair in text.split(b"\0") if pair)


@contextmanager
def _asked(stack: Stack) -> Iterator[Any]:
    """The manager's XML-RPC interface; raises `ManagerError` when it does not answer."""
    folder = os.open(stack.run, os.O_PATH | os.O_DIRECTORY)
    try:
        transport = SupervisorTransport(serverurl=f"unix:///proc/self/fd/{folder}/supervisor.sock")
        with ServerProxy("http://127.0.0.1", transport=transport) as server:
            yield server.supervisor
    except (OSError, HTTPException, ProtocolError) as error:
        raise ManagerError(f"The process manager does not answer ({error}): `make down`, then `make up`.") from error
    finally:
        os.close(folder)


def _recorded(stack: Stack) -> tuple[int, int] | None:
    """Return pid and start of the manager started last, None when that was before the machine was."""
    path = stack.run / "manager.pid"
    if not path.exists():
        return None
    number, started, boot = path.read_text().split()
    return (int(number), int(started)) if boot == processes.boot() else None
