"""Keep the running stack tidy: logs small, no idle workers of killed processes, no part of Airflow that hangs.

Run as a program, below the process manager, it does so until the manager ends.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import manager
import processes
from environment import load
from ready import airflow_health

PERIOD = 30.0
#: Bytes after which a log becomes `*.log.1`, and the one before is forgotten.
LARGE = 20_000_000
#: What Airflow calls its parts -> their processes here.
PARTS = {"scheduler": "airflow-scheduler", "dag_processor": "airflow-dags", "triggerer": "airflow-triggerer"}
#: Each part tells the database every few seconds that it lives.
SILENCE = timedelta(minutes=3)


def main() -> None:
    """Look after logs, orphans and silent parts every `PERIOD` seconds; what is ended was seen twice."""
    parent, stack = os.getppid(), load()
    before: set[int] = set()
    while os.getppid() == parent:
        rotate(stack.log)
        # A worker may be between two tasks, a process that lost its parent about to end, the machine just awake again.
        found = {row.pid for row in processes.orphans(parent) if row.state != "Z"}
        found |= silent(airflow_health(stack), manager.states(stack).values(), datetime.now(UTC))
        for pid in found & before:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        before = found
        time.sleep(PERIOD)


def rotate(folder: Path, large: int = LARGE) -> list[Path]:
    """Put what large logs hold aside, and empty them in place: their writers append and need not know."""
    found = [path for path in folder.glob("*.log") if path.stat().st_size > large]
    for path in found:
        aside = path.with_name(f"{path.name}.1")
        try:
            shutil.copyfile(path, aside)
        except OSError:  # the disk is full: then room is needed more than the past
            aside.unlink(missing_ok=True)
        os.truncate(path, 0)
    return found


def silent(health: Mapping[str, Any], states: Iterable[manager.State], now: datetime) -> set[int]:
    """Return the pids of Airflow's parts that run and have not told so for long, though the database answers.

    A scheduler that lost its database waits for its workers, and they for it.
    """
    if health.get("metadatabase", {}).get("status") != "healthy":
        return set()
    beats = {PARTS[part]: health[part].get(f"latest_{part}_heartbeat") for part in PARTS if part in health}
    aged = {state.name: state.pid for state in states if state.uptime > SILENCE.total_seconds()}
    return {
        pid for name, pid in aged.items() if (beat := beats.get(name)) and now - datetime.fromisoformat(beat) > SILENCE
    }


if __name__ == "__main__":
    main()
