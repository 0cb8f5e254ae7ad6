"""The ports that the stack takes: refused with free ones in exchange when another program has them."""

from collections.abc import Iterable, Mapping

import processes
from environment import WEED_OFFSETS, Stack
from ready import StackError
from services import SERVICES


def refuse_taken(stack: Stack, names: Iterable[str]) -> None:
    """Raise `StackError` when a port of these processes is taken, with the command that takes free ones."""
    wanted = {port: _block(port, stack.ports[port]) for name in names if (port := SERVICES[name].port)}
    busy = {name: taken for name, block in wanted.items() if (taken := processes.taken(block))}
    if not busy:
        return
    named = ", ".join(f"{' '.join(map(str, ports))} ({name})" for name, ports in busy.items())
    others = {name: _free(name, stack.ports[name], stack.ports) for name in busy}
    command = " ".join(f"{name}={port}" for name, port in others.items())
    raise StackError(
        f"Ports in use by another program: {named}. Take others, once; they are remembered:\n  {command} make up"
    )


def _block(variable: str, first: int) -> list[int]:
    offsets = WEED_OFFSETS.values() if variable == "SEN2EXTRACT_S3_PORT" else ()
    return [first, *(first + offset for offset in offsets)]


def _free(variable: str, start: int, others: Mapping[str, int]) -> int:
    """Return a first port near another whose whole block is free, and nobody else's here."""
    reserved = {port for name, first in others.items() if name != variable for port in _block(name, first)}
    candidates = (port for port in range(start + 20, start + 2000, 20))
    blocks = (block for port in candidates if reserved.isdisjoint(block := _block(variable, port)))
    return next((block[0] for block in blocks if not processes.taken(block)), start)
