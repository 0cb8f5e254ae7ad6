"""A file's features to places in degrees: reprojected, repaired, and told what was done."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from tiler.series.errors import SeriesRequestError, UnknownCrsError
from tiler.series.features import Feature, checked, plain
from tiler.series.uploads.layers import DEGREES, Drawn, Layer, UploadLimits

_FARTHEST = 1e8
_SEGMENT = 2_000.0
"""Units of a projected system: longer edges are cut before they are moved, so that they stay where they were drawn."""


def place(layer: Layer, limits: UploadLimits) -> tuple[tuple[Feature, ...], dict[str, Any]]:
    """Features in degrees, and the report; raises `SeriesRequestError` where no feature can be used."""
    crs, note = _crs(layer)
    transformer = None if _is_degrees(crs) else Transformer.from_crs(crs, DEGREES, always_xy=True)
    names = _names(layer.features)
    features: list[Feature] = []
    told: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for position, drawn in enumerate(layer.features):
        done = [*drawn.done, *([f"reprojected from {_shown(crs)}"] if transformer else [])]
        try:
            geometry = _placed(drawn, transformer, limits, done, f"feature {position}")
        except SeriesRequestError as error:
            left_out.append({"position": position, "reason": str(error)})
            continue
        attributes = plain(drawn.attributes, f"feature {position}")
        features.append(Feature(id=names[position], geometry=geometry, attributes=attributes))
        told.append({"feature_id": names[position], "done": done})
    if not features:
        why = left_out[0]["reason"] if left_out else "it is empty"
        raise SeriesRequestError(f"{layer.name}: no feature can be used: {why}")
    report = {"format": layer.format, "layer": layer.name, "crs": _shown(crs), "features": told, "left_out": left_out}
    return tuple(features), report | ({"note": note} if note else {})


def _crs(layer: Layer) -> tuple[CRS, str]:
    """The file's coordinate system; where it does not say and the numbers fit, degrees."""
    if layer.crs is not None:
        if not (layer.crs.is_geographic or layer.crs.is_projected):
            raise SeriesRequestError(f"{layer.name}: {layer.crs.name!r} is no system of places on the map")
        return layer.crs, ""
    xy = [shapely.get_coordinates(one.geometry) for one in layer.features if one.geometry is not None]
    all_xy = np.concatenate(xy) if xy else np.empty((0, 2))
    finite = all_xy[np.isfinite(all_xy).all(axis=1)]
    outside = (np.abs(finite) > (360, 90)).any(axis=1)
    if outside.any():
        raise _no_degrees(layer.name, finite, finite[outside][0])
    return DEGREES, "the file does not say its coordinate system: taken for WGS 84 longitude and latitude"


def _no_degrees(name: str, xy: NDArray[np.float64], far: NDArray[np.float64]) -> SeriesRequestError:
    if (np.abs(xy) <= (90, 360)).all():
        return SeriesRequestError(
            f"{name}: {far[1]:g} is no latitude, but would be a longitude: longitude and latitude have changed places"
        )
    return UnknownCrsError(
        f"{name} does not say its coordinate system, and {far[0]:.10g}, {far[1]:.10g} are no degrees: send it with its "
        ".prj (which may also say just EPSG:32648, or whichever it is), as GeoPackage, or in WGS 84"
    )


def _is_degrees(crs: CRS) -> bool:
    return crs.equals(DEGREES, ignore_axis_order=True) or crs.to_epsg() == 4326  # noqa: PLR2004


def _shown(crs: CRS) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name


def _names(features: Sequence[Drawn]) -> list[str]:
    """The file's own ids where each has one and no two are equal, else positions from 0."""
    for given in ([one.id for one in features], [_attribute_id(one) for one in features]):
        if all(given) and max(Counter(given).values(), default=0) == 1:
            return [str(plain(one, "id")) for one in given]
    return [str(position) for position in range(len(features))]


def _attribute_id(drawn: Drawn) -> str | None:
    found = next((value for name, value in drawn.attributes.items() if name.lower() == "id"), None)
    return str(found) if isinstance(found, str | int) and str(found) else None


def _placed(
    drawn: Drawn, transformer: Transformer | None, limits: UploadLimits, done: list[str], where: str
) -> BaseGeometry:
    """In degrees; what was done is added to `done`. Raises `SeriesRequestError` for what cannot be used."""
    if drawn.geometry is None or drawn.geometry.is_empty:
        raise SeriesRequestError(f"{where}: {drawn.flaw or 'its geometry is empty'}")
    geometry = shapely.force_2d(drawn.geometry)
    if not isinstance(geometry, Point | MultiPoint | Polygon | MultiPolygon):
        raise SeriesRequestError(f"{where}: a {geometry.geom_type} is neither point nor area: draw a polygon")
    xy = shapely.get_coordinates(geometry)
    if not (np.isfinite(xy).all() and (np.abs(xy) < _FARTHEST).all()):
        raise SeriesRequestError(f"{where}: its coordinates are no numbers on this planet")
    # Before it is moved: on the way it may be cut at the antimeridian.
    whole = _repaired(geometry, done, where)
    return checked(whole if transformer is None else _moved(whole, transformer, limits, where), where)


def _repaired(geometry: BaseGeometry, done: list[str], where: str) -> BaseGeometry:
    if geometry.is_valid or isinstance(geometry, Point | MultiPoint):
        return geometry
    flaw = explain_validity(geometry)
    mended = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = [part for part in _flat(mended) if isinstance(part, Polygon) and part.area > 0]
    if not parts:
        raise SeriesRequestError(f"{where}: its outline has no area ({flaw})")
    done.append(f"outline repaired: {flaw}")
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _flat(geometry: BaseGeometry) -> list[BaseGeometry]:
    return [inner for part in shapely.get_parts(geometry) for inner in shapely.get_parts(part)]


def _moved(geometry: BaseGeometry, transformer: Transformer, limits: UploadLimits, where: str) -> BaseGeometry:
    if transformer.source_crs is not None and transformer.source_crs.is_projected and geometry.length:
        pieces = math.ceil(geometry.length / _SEGMENT)
        if pieces > limits.vertices:
            raise SeriesRequestError(f"{where}: its outline is {geometry.length:g} long: draw a smaller one")
        geometry = shapely.segmentize(geometry, _SEGMENT)

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1], errcheck=True))

    try:
        moved = shapely.transform(geometry, move)
    except ProjError as error:
        raise SeriesRequestError(f"{where}: lies outside its coordinate system ({str(error)[:100]})") from error
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise SeriesRequestError(f"{where}: lies outside its coordinate system")
    return moved
