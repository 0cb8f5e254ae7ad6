"""Which tiles the lane answers: one asset and its colours, or a true-colour picture; a mask, and nothing else. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from stac.bands import BANDS
from tiler.lanes.colour import COLOURS, Look
from tiler.lanes.palette import Style
from tiler.rendering import default_range, has_default_colors

GRID = "WebMercatorQuad"
TRUE_COLOUR = "TCI"
"""The one asset of three bands."""
FORMATS = ("png", "jpg", "jpeg", "webp")
SEARCH = frozenset({"filter", "filter-lang", "sortby"})
"""What a mosaic may be asked for beside its picture: which items, and in which order."""
_LANGUAGES = ("cql2-text", "cql2-json")
_SIDES = {"256": 256, "512": 512}
"""Pixels of a tile's side."""
_ZOOMS = range(7, 25)
"""Below, one tile is many times as large as an image; above, TiTiler may say what it thinks of it."""
_OF_ALL = frozenset({"assets", "rescale", "mask", "tilesize"})
_OF_ONE = _OF_ALL | {"colormap_name", "colormap"}
_OF_COLOURS = _OF_ALL | {"color_formula"}
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_NUMBER = re.compile(r"\s*[+-]?\d{1,9}(\.\d{1,9})?\s*", re.ASCII)
_FORMULA = re.compile(r"[A-Za-z0-9.,+ -]{1,200}")
_LONGEST = 8192
"""Letters of a colormap: one of 256 colours has some six thousand."""


@dataclass(frozen=True, kw_only=True)
class TileRequest:
    """A tile that the lane can draw: of one asset with a `Style`, or with a `Look` of TCI or of three bands.

    `item` is None for a mosaic of the collection's items; `mask` names a profile, None for no mask.
    """

    collection: str
    item: str | None
    zoom: int
    column: int
    row: int
    side: int
    format: str
    assets: tuple[str, ...]
    style: Style | Look
    mask: str | None

    @property
    def shown(self) -> str:
        """The assets, for messages."""
        return ", ".join(self.assets)


def parse(path: Mapping[str, str], query: Iterable[tuple[str, str]]) -> TileRequest | None:
    """The request of the path's parameters and the query's; None for one that TiTiler has to answer.

    Of a mosaic, without those of `SEARCH`.
    """
    pairs = list(query)
    assets = tuple(value for name, value in pairs if name == "assets")
    others = [(name, value) for name, value in pairs if name != "assets"]
    asked = dict(others)
    place, side = _place(path), _SIDES.get(asked.get("tilesize", "256"))
    if len(asked) != len(others) or place is None or side is None or not all(map(_NAME.fullmatch, assets)):
        return None
    item, form = path.get("item_id"), path.get("format", "")
    style: Style | Look | None = _look(assets, asked)
    if style is None and item is not None and form == "png":
        style = _style(assets, asked)
    if style is None or form not in FORMATS:
        return None
    zoom, column, row = place
    return TileRequest(
        collection=path["collection_id"], item=item, zoom=zoom, column=column, row=row, side=side, format=form,
        assets=assets, style=style, mask=asked.get("mask"),
    )  # fmt: skip


def search_of(query: Iterable[tuple[str, str]]) -> dict[str, str] | None:
    """What of `SEARCH` a mosaic is asked for; None for what TiTiler has to refuse."""
    pairs = [(name, value) for name, value in query if name in SEARCH]
    asked = dict(pairs)
    language = asked.setdefault("filter-lang", "cql2-text")
    return asked if len(dict(pairs)) == len(pairs) and language in _LANGUAGES else None


def _place(path: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Zoom, column and row."""
    if path.get("tileMatrixSetId") != GRID or "collection_id" not in path:
        return None
    texts = [path[name] for name in ("z", "x", "y")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):  # noqa: PLR2004
        return None
    zoom, column, row = map(int, texts)
    return (zoom, column, row) if zoom in _ZOOMS and max(column, row) < 2**zoom else None


def _look(assets: tuple[str, ...], asked: Mapping[str, str]) -> Look | None:
    """How TCI, or three bands, are to look; None for other assets, and for what `Look` does not hold."""
    three = len(assets) == COLOURS and all(name in BANDS for name in assets)
    formula = asked.get("color_formula")
    if not (three or assets == (TRUE_COLOUR,)) or not asked.keys() <= _OF_COLOURS:
        return None
    if formula is not None and not _FORMULA.fullmatch(formula):
        return None
    stretch = default_range(assets) if "rescale" not in asked else _range(asked["rescale"])
    return None if "rescale" in asked and stretch is None else Look(stretch=stretch, formula=formula)


def _style(assets: tuple[str, ...], asked: Mapping[str, str]) -> Style | None:
    """The colours asked for, else those of the asset's table; None without any."""
    name, custom = asked.get("colormap_name"), asked.get("colormap")
    if len(assets) != 1 or not asked.keys() <= _OF_ONE:
        return None
    if len(custom or "") > _LONGEST or (name == "" or custom == ""):
        return None
    if not (name or custom or has_default_colors(assets[0])):
        return None
    stretch = default_range(assets) if "rescale" not in asked else _range(asked["rescale"])
    if "rescale" in asked and stretch is None:
        return None
    return Style(asset=assets[0], stretch=stretch, name=name, custom=None if name else custom)


def _range(text: str) -> tuple[float, float] | None:
    parts = text.split(",")
    if len(parts) != 2 or not all(map(_NUMBER.fullmatch, parts)):  # noqa: PLR2004
        return None
    low, high = map(float, parts)
    return (low, high) if isfinite(low) and isfinite(high) and low < high else None
