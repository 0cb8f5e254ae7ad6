"""What Airflow's tasks do to keep the archive in order: plain functions of JSON values, as those of `ingest.tasks`."""

# ruff: noqa: PLC0415 - each task imports what it needs

import logging
from collections import Counter
from typing import Any

from ingest.tasks import UnfinishedError
from stac.settings import Settings

log = logging.getLogger(__name__)

_NAMED = 20


def retention(*, dry_run: bool) -> dict[str, Any]:
    """Remove what the rules let go; returns counts, and examples by state. The log names each product.

    Raises `UnfinishedError` where somebody was at a product, which the next run removes.
    """
    from ingest.retention import retain

    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    for one in retain(Settings(), dry_run=dry_run):
        log.info("%s: %s: %s", one.product, one.state, one.reason)
        counts[one.state] += 1
        if counts[one.state] <= _NAMED:
            examples.setdefault(one.state, []).append(f"{one.product}: {one.reason}")
    if counts["busy"]:
        raise UnfinishedError(f"{counts['busy']} products are worked on:\n" + "\n".join(examples["busy"]))
    return {"counts": dict(counts), "examples": examples}


def tidy() -> dict[str, Any]:
    """Remove from the inbox what is published, and what broken-off work left; returns how many, and the first names."""
    from ingest import inbox

    done = inbox.tidy(Settings())
    return {kind: {"count": len(names), "names": names[:_NAMED]} for kind, names in done.items()}


def sen2cor_installed() -> list[str]:
    """The versions of Sen2Cor at hand, newest first; empty, and said in the log, if there is none."""
    from ingest import sen2cor

    try:
        return list(map(str, sen2cor.installed(Settings())))
    except sen2cor.NotInstalledError as error:
        log.warning("%s", error)
        return []


def uncorrected(limit: int) -> list[list[str]]:
    """Return the L1C products without an L2A, one to a batch, at most `limit`, as the ledger calls Sen2Cor's part."""
    from ingest import l1c_to_l2a

    return [[one.entry] for one in l1c_to_l2a.waiting(Settings())[:limit]]


def correct(entries: list[str]) -> list[dict[str, Any]]:
    """Have Sen2Cor make the L2A products of L1C products; returns what became of each."""
    from ingest import l1c_to_l2a, sen2cor

    settings = Settings()
    tools = sen2cor.installed(settings)
    wanted = [l1c_to_l2a.find(settings, entry.removeprefix(l1c_to_l2a.PREFIX)) for entry in entries]
    return [l1c_to_l2a.correct(settings, one, tools).as_dict() for one in wanted]
