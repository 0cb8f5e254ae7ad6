"""L2A from L1C by ESA's Sen2Cor, where it is installed: the right version, a time limit, its exit code, its log.

Which versions can read which products, by their baseline: those before 02.06 need Sen2Cor before 02.10.01, those from
04.00 on need 02.10.01 or later (as Sen2Chain had it); of several the newest is taken.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.errors import IngestError
from stac.naming import Baseline
from stac.settings import Settings

PROGRAM = "L2A_Process"

type Version = tuple[int, ...]

_OLD, _NEW = Baseline.parse("02.06"), Baseline.parse("04.00")
_TURN: Version = (2, 10, 1)
_VERSION = re.compile(r"Version:?\s*(\d+(?:\.\d+)+)")
_ASKING_SECONDS = 60
_GRACE_SECONDS = 10
_LAST = 400


class NotInstalledError(IngestError):
    """There is no Sen2Cor here; the message says how to name one."""


class Sen2CorError(IngestError):
    """Sen2Cor did not make a product; the message says how it ended and names its log."""


@dataclass(frozen=True, kw_only=True)
class Sen2Cor:
    """An installed Sen2Cor: its program `L2A_Process`, and its version as numbers."""

    program: Path
    version: Version

    def reads(self, baseline: Baseline) -> bool:
        """Whether it can read products of a baseline."""
        if baseline < _OLD:
            return self.version < _TURN
        return baseline < _NEW or self.version >= _TURN

    def __str__(self) -> str:
        return ".".join(f"{number:02d}" for number in self.version)


def installed(settings: Settings) -> list[Sen2Cor]:
    """The versions at hand, newest first; raises `NotInstalledError` if there is none.

    `INGEST_SEN2COR` names one program or several with their versions; a version that is not named is asked for.
    """
    named = [part.strip() for part in settings.ingest_sen2cor.split(",") if part.strip()]
    found = [_named(part) for part in named] if named else _on_path()
    if not found:
        raise NotInstalledError(
            f"Sen2Cor is not installed: there is no {PROGRAM} on the PATH; name it with INGEST_SEN2COR"
        )
    return sorted(found, key=lambda one: one.version, reverse=True)


def choose(found: Sequence[Sen2Cor], baseline: Baseline) -> Sen2Cor:
    """The newest version that reads products of a baseline; raises `Sen2CorError` if none does."""
    for one in found:
        if one.reads(baseline):
            return one
    need = "before 02.10.01" if baseline < _OLD else "02.10.01 or later"
    at_hand = ", ".join(map(str, found))
    raise Sen2CorError(
        f"baseline {baseline} needs Sen2Cor {need}, and there is only {at_hand}: add it to INGEST_SEN2COR"
    )


def run(tool: Sen2Cor, product: Path, baseline: Baseline, folder: Path, log: Path, *, minutes: float) -> Path:
    """Make the L2A product of the L1C folder `product` below `folder` (empty); returns its place.

    Its whole output goes to `log`. It is killed, with all that it started, when it takes more than `minutes`, and when
    we are. Raises `Sen2CorError`.
    """
    options = ["--processing_baseline", str(baseline), "--output_dir", str(folder)]
    command = [*_prefix(tool.program), str(tool.program), *options, str(product)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        code = _outcome(command, stream, minutes)
    if code is None:
        raise Sen2CorError(f"Sen2Cor {tool} took more than {minutes:g} minutes and was ended; its log: {log}")
    if code != 0:
        how = f"ended with code {code}" if code > 0 else f"was killed by signal {-code}"
        raise Sen2CorError(f"Sen2Cor {tool} {how}: {_last_line(log)}; its log: {log}")
    made = sorted(folder.glob("S2?_MSIL2A_*.SAFE"))
    if len(made) != 1:
        raise Sen2CorError(f"Sen2Cor {tool} ended well but left {len(made)} products; its log: {log}")
    return made[0]


def _outcome(command: Sequence[str], stream: IO[bytes], minutes: float) -> int | None:
    """The exit code, negative for a signal; None when it took too long."""
    with _group(command, stream) as process:
        try:
            return process.wait(minutes * 60)
        except subprocess.TimeoutExpired:
            return None


@contextmanager
def _group(command: Sequence[str], stream: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group of its own, all of which ends with the block, however that is left."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the program is the operator's
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise Sen2CorError(f"{command[0]} cannot be started: {error}") from error
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the group to end, then make it; what outlived its leader goes, too."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            if number == signal.SIGTERM:
                _await_group(process)
    process.wait()


def _await_group(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the last of a group to end; raises `ProcessLookupError` when it has."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline:
        process.poll()
        os.killpg(process.pid, 0)
        time.sleep(0.05)


def _named(part: str) -> Sen2Cor:
    version, given, place = part.partition("=")
    program = Path(place if given else part).expanduser()
    if not os.access(program, os.X_OK) or program.is_dir():
        raise NotInstalledError(f"Sen2Cor is not installed: {program}, which INGEST_SEN2COR names, cannot be executed")
    return Sen2Cor(program=program, version=_numbers(version) if given else _ask(program))


def _on_path() -> list[Sen2Cor]:
    program = shutil.which(PROGRAM)
    return [Sen2Cor(program=Path(program), version=_ask(Path(program)))] if program else []


def _ask(program: Path) -> Version:
    """Its version, as it tells with its help."""
    try:
        told = subprocess.run(  # noqa: S603 - the program is the operator's
            [*_prefix(program), str(program), "--help"],
            capture_output=True, text=True, errors="replace", timeout=_ASKING_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"Sen2Cor is not installed: {program} does not answer: {error}") from error
    found = _VERSION.search(told.stdout + told.stderr)
    if found is None:
        raise NotInstalledError(
            f"{program} does not tell its version: name it, as in INGEST_SEN2COR=02.12.03={program}"
        )
    return _numbers(found[1])


def _numbers(text: str) -> Version:
    try:
        return tuple(int(part) for part in text.strip().split("."))
    except ValueError as error:
        raise NotInstalledError(f"INGEST_SEN2COR: {text!r} is no version: expected the form 02.12.03") from error


def _prefix(program: Path) -> list[str]:
    """What sets the environment of an installation that brings a file for it (`L2A_Bashrc`)."""
    script = program.resolve().parent.parent / "L2A_Bashrc"
    return ["bash", "-c", 'source "$0" && exec "$@"', str(script)] if script.is_file() else []


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return lines[-1].strip()[:_LAST]
