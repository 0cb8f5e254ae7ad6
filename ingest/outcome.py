"""What became of one product."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

State = Literal["published", "downloaded", "unchanged", "invalid", "failed"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Result:
    """The end of one attempt: what `Outcome` tells of it."""

    state: State
    reason: str | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one ingestion. `invalid` is final, `failed` is worth another try; `reason` says why, or warns.

    `known_since` (ISO 8601, UTC) is when these very files were found invalid, if they were not looked at again.
    """

    source: str
    product: str | None
    state: State
    reason: str | None = None
    items: tuple[str, ...] = ()
    seconds: float = 0.0
    known_since: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the product is where it was to be brought: in the catalogue, or in the inbox."""
        return self.state in ("published", "downloaded", "unchanged")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
