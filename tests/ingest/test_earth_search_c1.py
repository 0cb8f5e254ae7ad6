"""Earth Search's Collection 1 (`sentinel-2-c1-l2a`): raw digital numbers and an offset, in the form of its real items.

The item is made of a generated product, so that every value is known: names of assets and fields, their order of
magnitude and their peculiarities (no `earthsearch:boa_offset_applied`, `s2:tile_id`, checksums) are those of
`S2A_T20HNJ_20240311T140636_L2A`.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from ingest.errors import InvalidProductError
from ingest.pipeline import ingest_product
from ingest.products import open_product
from ingest.products.earth_search_item import IMAGES
from ingest.products.safe import SafeProduct, open_safe
from ingest.sample import ProductSpec, expected, write_product
from ingest.store import Store
from stac import catalog
from stac.bands import BANDS, LAYERS
from stac.collections import INDICES, L2A
from stac.indices import NODATA, SCALE
from stac.settings import Settings

SPEC = ProductSpec(sensing=datetime(2024, 3, 11, 3, 11, 21, tzinfo=UTC), baseline="05.10", size=240, cloudiness=0.3)
ITEM = "S2B_T48PWU_20240311T032134_L2A"
FILES = {"CLDPRB": "CLD_20m.tif", "SNWPRB": "SNW_20m.tif"}


def cog(safe: SafeProduct, name: str, path: Path) -> dict[str, Any]:
    """Write an image as Collection 1 does, and say what its item says of it."""
    raster = safe.read(name)
    pixels = raster.pixels if raster.pixels.ndim == 3 else raster.pixels[np.newaxis]
    profile = {"driver": "COG", "dtype": pixels.dtype, "count": len(pixels), "compress": "deflate"}
    size = {"height": raster.grid.height, "width": raster.grid.width, "crs": f"EPSG:{raster.grid.epsg}"}
    transform = rasterio.Affine(*raster.grid.transform)
    with rasterio.open(path, "w", **profile, **size, transform=transform) as target:
        target.write(pixels)
    gsd = BANDS[name].gsd if name in BANDS else LAYERS[name].gsd
    band = {"nodata": 0, "data_type": str(pixels.dtype), "spatial_resolution": gsd}
    if name in BANDS:
        band |= {"scale": 0.0001, "offset": -0.1}
    elif name in ("AOT", "WVP"):
        band |= {"scale": 0.001, "offset": 0}
    return {
        "href": path.name,
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "gsd": gsd,
        "proj:shape": list(raster.grid.shape),
        "proj:transform": list(raster.grid.transform),
        **({} if name == "TCI" else {"raster:bands": [band]}),
        "file:checksum": f"1220{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "file:size": path.stat().st_size,
        "roles": ["data", "reflectance"] if name in BANDS else ["data"],
    }


def properties(safe: SafeProduct) -> dict[str, Any]:
    scene = safe.scene
    return {
        "platform": scene.name.platform,
        "eo:cloud_cover": scene.cloud_cover,
        "proj:epsg": safe.extent.epsg,
        "grid:code": f"MGRS-{scene.name.tile}",
        "view:azimuth": scene.view_azimuth,
        "view:incidence_angle": scene.view_incidence,
        "view:sun_azimuth": scene.sun_azimuth,
        "view:sun_elevation": scene.sun_elevation,
        "s2:tile_id": scene.granule_id,
        **{key: value for key, value in scene.quality.items() if key.endswith("_percentage")},
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": str(scene.name.baseline),
        "s2:product_uri": f"{scene.name}.SAFE",
        "s2:generation_time": "2024-03-11T07:22:43.000000Z",
        "s2:datatake_id": scene.datatake_id,
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": scene.datastrip_id,
        "datetime": "2024-03-11T03:26:54.463000Z",
        "processing:software": {"sentinel-2-c1-l2a-to-stac": "v2024.02.01"},
    }


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An item with its images beside it, as a download leaves them."""
    folder = tmp_path_factory.mktemp("c1")
    safe = open_safe(write_product(SPEC, tmp_path_factory.mktemp("safe")))
    assets = {key: cog(safe, name, folder / FILES.get(name, f"{name}.tif")) for key, name in IMAGES.items()
              if name in safe.images}  # fmt: skip
    for document in safe.documents[:2]:
        (folder / document.filename).write_bytes(document.content)
        assets[document.name] = {"href": document.filename, "type": "application/xml", "roles": ["metadata"]}
    assets["preview"] = {"href": "L2A_PVI.tif", "roles": ["overview"]}
    canonical = "s3://e84-earth-search-sentinel-data/sentinel-2-c1-l2a/48/P/WU/2024/3/x/x.json"
    content = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": ITEM,
        "collection": "sentinel-2-c1-l2a",
        "geometry": safe.scene.outline,
        "properties": properties(safe),
        "links": [{"rel": "canonical", "href": canonical, "type": "application/json"}],
        "assets": assets,
    }
    path = folder / f"{ITEM}.json"
    path.write_text(json.dumps(content))
    return path


def test_collection_1_is_ingested_with_its_offset(item: Path, settings: Settings) -> None:
    outcome = ingest_product(str(item), settings=settings)
    assert (outcome.state, outcome.product, outcome.reason) == ("published", SPEC.name, None)
    scene, indices = (catalog.get_item(settings, collection, SPEC.name) for collection in (L2A, INDICES))
    assert scene is not None
    assert indices is not None
    assert set(scene["assets"]) >= {*BANDS, *LAYERS, "product_metadata", "granule_metadata", "source_item"} - {"B10"}
    assert "sen2extract:offset_applied" not in scene["properties"]
    assert {link["href"] for link in scene["links"] if link["rel"] == "via"} == {
        "s3://e84-earth-search-sentinel-data/sentinel-2-c1-l2a/48/P/WU/2024/3/x/x.json"
    }
    store = Store.connect(settings)

    def read(document: dict[str, Any], name: str) -> np.ndarray:
        asset = document["assets"][name]
        content = store.get(asset["alternate"]["s3"]["href"].removeprefix(settings.s3_href("")))
        with MemoryFile(content) as memory, memory.open() as dataset:
            if name in BANDS:
                assert (asset["raster:scale"], asset["raster:offset"]) == (0.0001, -0.1)
                assert (dataset.scales[0], dataset.offsets[0], dataset.nodata) == (0.0001, -0.1, 0)
            return dataset.read(1)

    digital = {name: read(scene, name) for name in ("B03", "B04", "B08", "B12", "SCL", "CLDPRB")}
    for name, pixels in digital.items():
        np.testing.assert_array_equal(pixels, expected(SPEC, name))
    red, nir = (digital[name] * 0.0001 - 0.1 for name in ("B04", "B08"))
    valid = (digital["B04"] > 0) & (digital["B08"] > 0)
    with np.errstate(all="ignore"):
        wanted = (nir - red) / (nir + red)
    valid &= np.isfinite(wanted) & (np.abs(wanted) <= 1)
    ndvi = read(indices, "NDVI")
    np.testing.assert_array_equal(ndvi != NODATA, valid)
    np.testing.assert_allclose(ndvi[valid] * SCALE, wanted[valid], atol=0.51 * SCALE)
    assert ingest_product(str(item), settings=settings).state == "unchanged"


def test_a_damaged_image_is_found_by_the_checksum_of_its_item(item: Path, tmp_path: Path) -> None:
    for file in item.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / "B04.tif"
    content = bytearray(file.read_bytes())
    content[-1] ^= 0x5A
    file.write_bytes(content)
    product = open_product(str(tmp_path / item.name))
    assert product.read("B03").pixels.size
    with pytest.raises(InvalidProductError, match=r"B04\.tif: .*sha256 is .*, the product says"):
        product.read("B04")
