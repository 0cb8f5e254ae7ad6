"""Default renders: how an asset looks when a request names neither range nor colours."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

from fastapi import Query, Request
from rio_tiler.colormap import cmap
from titiler.core.dependencies import ColorMapParams, ImageRenderingParams

from stac.bands import BANDS, SCENE_CLASSES
from stac.indices import INDICES

_NUMERIC_FORMATS = frozenset({"tif", "npy", "npz"})
_ONE_BAND = (0.0, 0.4)
_COMPOSITE = (0.0, 0.3)
_SCENE_COLORS = {c.value: (*bytes.fromhex(c.color), 0 if c.value == 0 else 255) for c in SCENE_CLASSES}

Assets = Annotated[list[str] | None, Query(include_in_schema=False)]


def render_params(request: Request | None = None, assets: Assets = None, **asked: Any) -> ImageRenderingParams:
    """The range that is stretched to 0..255: the request's, else the one of the asset's table.

    Numeric formats (GeoTIFF, NumPy) are never stretched unasked.
    """
    params = ImageRenderingParams(**asked)
    if params.rescale is None and request is not None and _is_picture(request):
        default = default_range(_plain_assets(request, assets))
        params.rescale = None if default is None else cast("Any", [default])
    return params


def colormap_params(request: Request | None = None, assets: Assets = None, **asked: Any) -> Any:
    """The request's colours, else those of the asset's table."""
    colors = ColorMapParams(**asked)
    if colors is not None or request is None or not _is_picture(request):
        return colors
    return default_colors(_plain_assets(request, assets))


def default_colors(names: Sequence[str]) -> Any:
    """The colours of the asset's table, as rio-tiler has them; None for one without, and for several."""
    if len(names) != 1 or not has_default_colors(names[0]):
        return None
    return cmap.get(INDICES[names[0]].colormap) if names[0] in INDICES else _SCENE_COLORS


def has_default_colors(name: str) -> bool:
    """Whether the asset's table has colours."""
    return name in INDICES or name == "SCL"


def default_range(names: Sequence[str]) -> tuple[float, float] | None:
    """The range of the assets' table; None where it has none."""
    if len(names) == 1 and names[0] in INDICES:
        return INDICES[names[0]].display_range
    if names and all(name in BANDS for name in names):
        return _ONE_BAND if len(names) == 1 else _COMPOSITE
    return None


def _also_like(parent: Callable[..., Any]) -> inspect.Signature:
    """Parameters `request` and `assets`, then those of `parent`, from which FastAPI reads what a query may say.

    TiTiler calls a dependency with its query parameters only, to check the renders of a collection.
    """
    own = [
        inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request, default=None),
        inspect.Parameter("assets", inspect.Parameter.KEYWORD_ONLY, annotation=Assets, default=None),
    ]
    theirs = inspect.signature(parent).parameters.values()
    return inspect.Signature(own + [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in theirs])


render_params.__signature__ = _also_like(ImageRenderingParams)  # type: ignore[attr-defined]
colormap_params.__signature__ = _also_like(ColorMapParams)  # type: ignore[attr-defined]


def _is_picture(request: Request) -> bool:
    return request.path_params.get("format") not in _NUMERIC_FORMATS


def _plain_assets(request: Request, assets: list[str] | None) -> list[str]:
    """Names of the assets, none when an expression or algorithm makes something else of them."""
    if "expression" in request.query_params or "algorithm" in request.query_params:
        return []
    return [] if any("|" in name for name in assets or []) else list(assets or [])
