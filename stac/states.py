"""The states of a product in the ledger, in the order of its life. Standard library only."""

from typing import Literal, get_args

State = Literal[
    "seen", "downloading", "downloaded", "converting", "published", "failed", "invalid", "superseded", "removed"
]
STATES: tuple[State, ...] = get_args(State)
