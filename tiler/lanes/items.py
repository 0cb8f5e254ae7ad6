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
SELECT images->%(asset)s, images->%(mask)s, images->%(scene)s, mask_fields, folder,
    ST_XMin(footprint), ST_YMin(footprint), ST_XMax(footprint), ST_YMax(footprint)
FROM sen2extract.observations WHERE collection = %(collection)s AND item_id = %(item)s
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An asset of an item, its `MASK` and scene classes where it has them, and the box of its footprint in degrees."""

    image: Image
    masks: dict[str, Image]
    fields: Sequence[str]
    box: Bounds


def find(connection: Connection[Any], collection: str, item: str, asset: str, bucket: str) -> Found | None:
    """The item's `asset`; None where there is none that lies on a grid in `bucket`, and in whole-zone metres."""
    values = {"asset": asset, "mask": MASK, "scene": SCENE, "collection": collection, "item": item}
    row = connection.execute(_FIND, values, binary=True).fetchone()
    if row is None:
        return None
    told, mask, scene, fields, folder, *box = row
    image = _image(told, folder, bucket)
    if image is None:
        return None
    masks = {name: _image(one, folder, bucket) for name, one in ((MASK, mask), (SCENE, scene))}
    west, south, east, north = box
    return Found(
        image=image,
        masks={name: one for name, one in masks.items() if one is not None},
        fields=fields,
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
