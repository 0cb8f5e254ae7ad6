"""Searches among 100,000 items, ours beside stac-fastapi-pgstac's; see `searching`."""

import os
from typing import Any

import searching

ITEMS = int(os.environ.get("BENCH_ITEMS", "100000"))


def run() -> dict[str, Any]:
    return searching.run(ITEMS)
