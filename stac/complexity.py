"""How much a search may be: what would cost minutes, or the end of the process, is refused unread. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from stac.errors import SearchError

_DEEPEST = 64
_DEEPEST_PARENTHESES = 20
_MOST_OPERATORS = 500
_MOST_ARITHMETIC = 40
# Of CQL2 as text: quoted parts, and geometries, which are of numbers only.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_GEOMETRY = re.compile(r"\b(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\s*Z?\s*\([-+0-9eE.,()\s]*\)", re.IGNORECASE)
_NEGATIONS = re.compile(r"(?:\bNOT\s+){8}", re.IGNORECASE)
_ARITHMETIC = re.compile(r"[-+*/^%]|\bdiv\b", re.IGNORECASE)


def check_shape(document: Any) -> None:
    """Raise `SearchError` for JSON of more levels or operators than a search needs: they would cost minutes."""
    operators, left = 0, [(document, 1)]
    while left:
        value, depth = left.pop()
        if depth > _DEEPEST:
            raise SearchError(f"more than {_DEEPEST} levels of brackets: say it with fewer")
        if isinstance(value, Mapping):
            operators += "op" in value
            left.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            left.extend((each, depth + 1) for each in value)
    if operators > _MOST_OPERATORS:
        raise SearchError(f"more than {_MOST_OPERATORS} operators in filter: list values with the operator in")


def check_filter_text(text: str) -> None:
    """Raise `SearchError` for what a parser of CQL2 or JSON would take too long, or too many levels of its stack, for.

    The `cql2` library parses by recursion: some thousand parentheses end the process.
    """
    bare = _GEOMETRY.sub("", _QUOTED.sub("", text))
    depths = {"(": 0, "[": 0}
    for letter in bare:
        kind = "(" if letter in "()" else "["
        if letter in "([{":
            depths[kind] += 1
            if depths["("] > _DEEPEST_PARENTHESES or depths["["] > _DEEPEST:
                raise SearchError("too many brackets within brackets: say it with fewer")
        elif letter in ")]}":
            depths[kind] -= 1
    if _NEGATIONS.search(bare) or len(_ARITHMETIC.findall(bare)) > _MOST_ARITHMETIC:
        raise SearchError("too many negations or calculations: say it with fewer")
