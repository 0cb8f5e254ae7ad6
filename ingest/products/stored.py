"""A scene that the archive holds already, read back from its item and its COGs in the bucket."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ingest.errors import StoreError
from ingest.products.base import Document, Raster
from ingest.products.images import grid_of
from ingest.store import Store
from stac.assets import object_key
from stac.bands import BANDS
from stac.naming import ProductName
from stac.scene import Footprint, Radiometry, Scene


class StoredProduct:
    """The images of a stored L2A item that an index product is made from; a `Product`."""

    def __init__(self, item: Mapping[str, Any], store: Store) -> None:
        self._item = item
        self._store = store

    @property
    def scene(self) -> Scene:
        """Identity and metadata, as the item tells them."""
        properties = self._item["properties"]
        known = {key: value for key, value in properties.items() if key.startswith("s2:")}
        return Scene(
            name=ProductName.parse(self._item["id"]),
            acquired=datetime.fromisoformat(properties["datetime"]),
            generated=datetime.fromisoformat(properties["s2:generation_time"]),
            datatake_id=properties["s2:datatake_id"],
            datastrip_id=properties["s2:datastrip_id"],
            granule_id=properties["s2:tile_id"],
            remarks={key: properties[key] for key in ("sen2extract:origin",) if key in properties},
            fingerprint=properties["sen2extract:fingerprint"],
            source=properties["sen2extract:source"],
            absolute_orbit=properties.get("sat:absolute_orbit"),
            orbit_state=properties.get("sat:orbit_state"),
            sun_azimuth=properties.get("view:sun_azimuth"),
            sun_elevation=properties.get("view:sun_elevation"),
            view_azimuth=properties.get("view:azimuth"),
            view_incidence=properties.get("view:incidence_angle"),
            cloud_cover=properties.get("eo:cloud_cover"),
            snow_cover=properties.get("eo:snow_cover"),
            quality={key: value for key, value in known.items() if key.endswith("_percentage")},
            offset_applied=properties.get("sen2extract:offset_applied", False),
            software=properties.get("processing:software", {}),
        )

    @property
    def images(self) -> Mapping[str, Radiometry]:
        """The images that an index product may be made from, as far as the item has them."""
        assets = self._item["assets"]
        return {name: _radiometry(assets[name]) for name in [*BANDS, "SCL", "CLDPRB"] if name in assets}

    @property
    def documents(self) -> Sequence[Document]:
        """None: the scene's item keeps them."""
        return ()

    @property
    def warnings(self) -> Sequence[str]:
        """None: what there was to say was said when the scene was published."""
        return ()

    @property
    def footprint(self) -> Footprint:
        """Footprint of the item."""
        west, south, east, north = self._item["bbox"]
        return Footprint(geometry=self._item["geometry"], bbox=(west, south, east, north))

    def read(self, image: str) -> Raster:
        """Decode a stored COG whole; raises `StoreError` naming the object."""
        key = object_key(self._item["assets"][image])
        if key is None:
            raise StoreError(f"{self._item['id']}: {image} has no s3 address")
        try:
            with MemoryFile(self._store.get(key)) as memory, memory.open() as dataset:
                return Raster(pixels=dataset.read(1), grid=grid_of(dataset, key))
        except RasterioError as error:
            raise StoreError(f"{key}: cannot be decoded: {error}") from error


def _radiometry(asset: Mapping[str, Any]) -> Radiometry:
    return Radiometry(
        scale=asset.get("raster:scale", 1.0),
        offset=asset.get("raster:offset", 0.0),
        nodata=asset.get("nodata"),
        unit=asset.get("unit"),
    )
