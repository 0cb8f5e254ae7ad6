"""Keep the running stack tidy: logs small, and no idle workers of processes that were killed.

Run as a program, below the process manager, it does so until the manager ends.
"""

import os
import shutil
import time
from pathlib import Path

import processes

PERIOD = 30.0
#: Bytes after which a log becomes `*.log.1`, and the one before is forgotten.
LARGE = 20_000_000


def main() -> None:
    """Look after logs and orphans every `PERIOD` seconds."""
    manager = os.getppid()
    folder = Path(os.environ["SEN2EXTRACT_LOG"])
    before: set[processes.Process] = set()
    while os.getppid() == manager:
        rotate(folder)
        # Seen twice: a worker may be between two tasks, a process that lost its parent about to end by itself.
        now = {row for row in processes.orphans(manager) if row.state != "Z"}
        processes.kill({row for row in now if (row.pid, row.started) in {(old.pid, old.started) for old in before}})
        before = now
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


if __name__ == "__main__":
    main()
