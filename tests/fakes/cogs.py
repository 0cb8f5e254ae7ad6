"""Earth Search's copy of a sample product: its images as GeoTIFFs of the same numbers, and an item that says so."""

import json
from pathlib import Path
from typing import Any

import rasterio
from rasterio.transform import Affine

from ingest.products import open_product
from ingest.products.earth_search_item import IMAGES

_KEYS = {ours: theirs for theirs, ours in IMAGES.items()}


def write_cogs(product: Path, folder: Path) -> dict[str, Any]:
    """Write the images of a SAFE product into `folder`, and the item's JSON beside; returns the item."""
    source = open_product(str(product))
    scene = source.scene
    place = folder / f"{scene.name.unit}_{scene.name.tile}_{scene.acquired:%Y%m%d}_0_L2A"
    place.mkdir(parents=True)
    assets = {}
    for image in source.images:
        key = _KEYS[image]
        raster = source.read(image)
        pixels = raster.pixels if raster.pixels.ndim == 3 else raster.pixels[None]
        profile = {
            "driver": "GTiff",
            "width": raster.grid.width,
            "height": raster.grid.height,
            "count": len(pixels),
            "dtype": pixels.dtype,
            "crs": f"EPSG:{raster.grid.epsg}",
            "transform": Affine(*raster.grid.transform),
        }
        with rasterio.open(place / f"{image}.tif", "w", **profile) as target:
            target.write(pixels)
        radiometry = source.images[image]
        assets[key] = {
            "href": f"{image}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "raster:bands": [{"nodata": 0, "scale": radiometry.scale, "offset": radiometry.offset}],
            "proj:shape": list(raster.grid.shape),
            "proj:transform": list(raster.grid.transform),
            "file:size": (place / f"{image}.tif").stat().st_size,
        }
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": place.name,
        "collection": "sentinel-2-l2a",
        "geometry": scene.outline,
        "links": [],
        "properties": {
            "datetime": f"{scene.acquired:%Y-%m-%dT%H:%M:%S}.782000Z",
            "grid:code": f"MGRS-{scene.name.tile}",
            "proj:epsg": scene.name.tile.epsg,
            "eo:cloud_cover": scene.cloud_cover,
            "s2:product_uri": f"{scene.name}.SAFE",
            "s2:generation_time": f"{scene.generated:%Y-%m-%dT%H:%M:%S.%fZ}",
            "s2:datatake_id": scene.datatake_id,
            "s2:datastrip_id": scene.datastrip_id,
            "s2:granule_id": scene.granule_id,
            "earthsearch:boa_offset_applied": False,
        },
        "assets": assets,
    }
    (place / f"{place.name}.json").write_text(json.dumps(item))
    return item
