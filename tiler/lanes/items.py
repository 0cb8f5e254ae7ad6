"""What the lane has to know of an item: one row of `sen2extract.observations`, no STAC document."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from stac.assets import MASK
from tiler.lanes.warp import Bounds
from tiler.masking import SCENE
from tiler.series.grid import Grid, Image

_FIND = """
SELECT item_id,
    ARRAY(SELECT images->name FROM unnest(%(assets)s::text[]) WITH ORDINALITY AS a (name, place) ORDER BY place),
    images->%(mask)s, images->%(scene)s, mask_fields, folder, deprecated,
    ST_XMin(footprint), ST_YMin(footprint), ST_XMax(footprint), ST_YMax(footprint)
FROM sen2extract.observations WHERE collection = %(collection)s AND item_id = ANY(%(items)s)
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Assets of an item, its `MASK` and scene classes where it has them, and the box of its footprint in degrees."""

    images: tuple[Image, ...]
    masks: dict[str, Image]
    fields: Sequence[str]
    deprecated: bool
    box: Bounds


def find(
    connection: Connection[Any], collection: str, items: Sequence[str], assets: Sequence[str], bucket: str
) -> dict[str, Found]:
    """The `assets` of the items, by item; without those of which not all lie on grids in `bucket`, in whole metres."""
    values = {"assets": list(assets), "mask": MASK, "scene": SCENE, "collection": collection, "items": list(items)}
    rows = connection.execute(_FIND, values, binary=True).fetchall()
    return {item: found for item, *row in rows if (found := _found(row, bucket)) is not None}


def _found(row: Sequence[Any], bucket: str) -> Found | None:
    told, mask, scene, fields, folder, deprecated, west, south, east, north = row
    images = [image for one in told if (image := _image(one, folder, bucket)) is not None]
    if len(images) < len(told):
        return None
    masks = {name: _image(one, folder, bucket) for name, one in ((MASK, mask), (SCENE, scene))}
    return Found(
        images=tuple(images),
        masks={name: one for name, one in masks.items() if one is not None},
        fields=fields,
        deprecated=deprecated,
        box=(west, south, east, north),
    )


def _image(told: Any, folder: str, bucket: str) -> Image | None:
    """As the migration of the table describes it."""
    if told is None:
        return None
    name, (epsg, left, top, size, height, width, scale, offset, nodata) = told
    address = name if name.startswith("s3://") else folder + name
    mine = f"s3://{bucket}/"
    if not address.startswith(mine):
        return None
    key = address.removeprefix(mine)
    grid = Grid(epsg=epsg, left=left, top=top, size=size, height=height, width=width)
    return Image(key=key, path=address, grid=grid, scale=scale, offset=offset, nodata=nodata)
