"""Which tiles the lane answers: one asset, its colours, a mask, and nothing else. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from tiler.lanes.palette import Style
from tiler.rendering import default_range, has_default_colors

GRID = "WebMercatorQuad"
SIDE = 256
"""Pixels of a tile's side."""
_ZOOMS = range(7, 25)
"""Below, one tile is many times as large as an image; above, TiTiler may say what it thinks of it."""
_KNOWN = frozenset({"assets", "rescale", "colormap_name", "colormap", "mask"})
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_NUMBER = re.compile(r"\s*[+-]?\d{1,9}(\.\d{1,9})?\s*", re.ASCII)
_LONGEST = 8192
"""Letters of a colormap: one of 256 colours has some six thousand."""


@dataclass(frozen=True, kw_only=True)
class TileRequest:
    """A tile of one asset of an item, as the lane can draw it; `mask` names a profile, None for no mask."""

    collection: str
    item: str
    zoom: int
    column: int
    row: int
    asset: str
    style: Style
    mask: str | None


def parse(path: Mapping[str, str], query: Iterable[tuple[str, str]]) -> TileRequest | None:
    """The request of the path's parameters and the query's; None for one that TiTiler has to answer."""
    pairs = list(query)
    asked = dict(pairs)
    if len(asked) != len(pairs) or not asked.keys() <= _KNOWN:
        return None
    place = _place(path)
    asset = asked.get("assets", "")
    style = _style(asset, asked)
    if place is None or style is None or not _NAME.fullmatch(asset):
        return None
    zoom, column, row = place
    return TileRequest(
        collection=path["collection_id"], item=path["item_id"], zoom=zoom, column=column, row=row,
        asset=asset, style=style, mask=asked.get("mask"),
    )  # fmt: skip


def _place(path: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Zoom, column and row."""
    if path.get("tileMatrixSetId") != GRID or path.get("format") != "png":
        return None
    texts = [path[name] for name in ("z", "x", "y")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):  # noqa: PLR2004
        return None
    zoom, column, row = map(int, texts)
    return (zoom, column, row) if zoom in _ZOOMS and max(column, row) < 2**zoom else None


def _style(asset: str, asked: Mapping[str, str]) -> Style | None:
    """The colours asked for, else those of the asset's table; None without any."""
    name, custom = asked.get("colormap_name"), asked.get("colormap")
    if len(custom or "") > _LONGEST or (name == "" or custom == ""):
        return None
    if not (name or custom or has_default_colors(asset)):
        return None
    stretch = default_range([asset]) if "rescale" not in asked else _range(asked["rescale"])
    if "rescale" in asked and stretch is None:
        return None
    return Style(asset=asset, stretch=stretch, name=name, custom=None if name else custom)


def _range(text: str) -> tuple[float, float] | None:
    parts = text.split(",")
    if len(parts) != 2 or not all(map(_NUMBER.fullmatch, parts)):  # noqa: PLR2004
        return None
    low, high = map(float, parts)
    return (low, high) if isfinite(low) and isfinite(high) and low < high else None
