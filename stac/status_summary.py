"""What waits and what failed, in numbers: how long the queue is, and what kinds of trouble there are."""

from collections.abc import Iterable, Sequence
from typing import Any

from stac.settings import Settings
from stac.status import COUNTS, counted, fetch

type _Rows = Iterable[Sequence[Any]]

TROUBLES: dict[str, tuple[str, str]] = {
    "sen2cor": ("Sen2Cor made no L2A", "sen2cor"),
    "withdrawn": ("the provider took it back", "was withdrawn"),
    "download": ("a provider did not give it", "^not downloaded"),
    "worker": ("a worker was killed, or ended without a word", "^its worker ended"),
    "database": ("the database was away", "the catalogue is away|database cannot be reached"),
    "store": ("the object store was away, or refused", "upload failed|cannot be listed|cannot be read|bucket "),
    "disk": ("a disk is full", "No space left|disk|GB are free"),
    "product": ("the product itself is broken, incomplete or none", "."),
    "other": ("see the reason", ""),
}
"""Kinds of trouble: what each means, and what of a reason tells it; the first that is met counts."""

_TOLD = ("sen2cor", "product", "other")
_KIND = " ".join(
    [
        "CASE WHEN starts_with(id, 'sen2cor:') THEN 'sen2cor'",
        *(f"WHEN reason ~ '{pattern}' THEN '{kind}'" for kind, (_, pattern) in TROUBLES.items() if kind not in _TOLD),
        "WHEN state = 'invalid' THEN 'product' ELSE 'other' END",
    ]
)
QUEUE = """
SELECT CASE WHEN state IN ('seen', 'downloading') AND source = (offer->>'source') || ':' || id
  THEN offer->>'source' ELSE 'inbox' END AS place, state, count(*) AS count, min(updated) AS oldest
FROM sen2extract.ledger WHERE state IN ('seen', 'downloading', 'downloaded', 'converting')
GROUP BY 1, 2 ORDER BY 1, 2
"""
FAILURES = f"""
SELECT kind, state, count(*) AS count, max(updated) AS latest
FROM (SELECT {_KIND} AS kind, state, updated FROM sen2extract.ledger WHERE state IN ('failed', 'invalid')) AS troubles
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""  # noqa: S608 - constants only


def summary(settings: Settings) -> dict[str, Any]:
    """`counts` by state, the `queue` and the `failures`, as for JSON."""
    return told(*(fetch(settings, query, ()) for query in (COUNTS, QUEUE, FAILURES)))


def told(counts: _Rows, queue: _Rows, failures: _Rows) -> dict[str, Any]:
    """The summary from the rows of the three queries."""
    return {
        "counts": counted(counts),
        "queue": [
            {"place": place, "state": state, "count": count, "oldest": oldest.isoformat()}
            for place, state, count, oldest in queue
        ],
        "failures": [
            {"kind": kind, "means": TROUBLES[kind][0], "state": state, "count": count, "latest": latest.isoformat()}
            for kind, state, count, latest in failures
        ],
    }
