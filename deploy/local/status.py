"""What the embedded stack is doing, for people and as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path

import manager
import processes
from environment import Stack
from manager import State


def told(stack: Stack, states: Iterable[State]) -> str:
    """Say what runs, what does not and what to do then, a line per process."""
    states = list(states)
    address = f"{stack.url}  ·  Airflow {stack.airflow_url}"
    gone = [state.name for state in states if state.state != "running"]
    if len(gone) == len(states):
        return "not running; start with `make up`"
    lines = [f"not running: {', '.join(gone)}; start with `make up`" if gone else f"running: {address}"]
    lines += [_line(state) for state in states]
    lines += [_trouble(state) for state in states if state.state in {"gave up", "restarting"}]
    return "\n".join(lines)


def document(stack: Stack, states: Iterable[State]) -> str:
    """Return the same as JSON."""
    states = list(states)
    return json.dumps(
        {
            "running": all(state.state == "running" for state in states),
            "url": stack.url,
            "airflow": stack.airflow_url,
            "manager": manager.pid(stack),
            "processes": [state.document() for state in states],
        },
        indent=2,
    )


def _line(state: State) -> str:
    since = f"for {_duration(state.uptime)}" if state.pid else ""
    again = f"started again {state.restarts} x" if state.restarts else ""
    return f"  {state.name:18} {state.state:11} {since:14} {again}".rstrip()


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _trouble(state: State) -> str:
    last = "\n".join(f"    {line}" for line in processes.tail(Path(state.log), 8).splitlines())
    if state.state == "restarting":
        return f"\n{state.name} ended and is about to be started again. {state.log} ends with:\n{last}"
    advice = "Mend what it says, then `make up` starts it; the others go on."
    return f"\n{state.name} ended again and again and is not started any more. {advice} {state.log} ends with:\n{last}"
