"""JSON as every form of a series has it: nothing but what is needed, no number that is none."""

import json
from typing import Any


def compact(document: Any) -> str:
    """A document without white space, its text as it is; raises `ValueError` for numbers that JSON does not know."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=str)
