"""Numbers of a request that make no sense, refused before TiTiler computes with them."""

import json
from math import isfinite
from typing import Any

from fastapi import HTTPException, Request

from stac.complexity import check_filter_text

DEEPEST_ZOOM = 30
LARGEST_SIDE = 4096
"""Pixels of an image's side."""
_FARTHEST = 1e8
"""More than any coordinate of a place on earth, in metres or degrees."""
_LARGEST_INDEX = 2**31 - 1

_TILE = ("z", "x", "y")
_SIDES = ("width", "height", "max_size", "tilesize", "buffer", "padding")
_COORDINATES = ("minx", "miny", "maxx", "maxy", "lon", "lat")


async def sane(request: Request) -> None:
    """Refuse tiles that no grid has (404), and coordinates and sizes beyond all measure (400)."""
    path, query = request.path_params, request.query_params
    if any(not 0 <= number <= _LARGEST_INDEX for number in _numbers(path, _TILE)) or _above(path, "z", DEEPEST_ZOOM):
        raise HTTPException(404, f"no such tile: z is 0 to {DEEPEST_ZOOM}, x and y are not below 0")
    for values in (path, query):
        for name in _SIDES:
            if _above(values, name, LARGEST_SIDE):
                raise HTTPException(400, f"{name} is too large: images have up to {LARGEST_SIDE} pixels a side")
    for name in _COORDINATES:
        if any(abs(number) > _FARTHEST for number in _numbers(path, [name])):
            raise HTTPException(400, f"{name} is no coordinate of a place on earth")
    _check_parameters(query.get("algorithm_params"))
    for name in ("filter", "query"):
        check_filter_text(query.get(name, ""))


def _above(values: Any, name: str, limit: float) -> bool:
    return any(number > limit for number in _numbers(values, [name]))


def _numbers(values: Any, names: Any) -> list[float]:
    """Those of the named values that are finite numbers; what is none, the endpoint refuses."""
    found = []
    for name in names:
        try:
            number = float(values[name])
        except (KeyError, ValueError):
            continue
        found.append(number if isfinite(number) else float("inf"))
    return found


def _check_parameters(text: str | None) -> None:
    try:
        parameters = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        parameters = None
    if not isinstance(parameters, dict):
        raise HTTPException(400, 'algorithm_params has to be a JSON object, such as {"threshold": 0.5}')
