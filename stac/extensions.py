"""The STAC extensions in use, each by the address of its schema: name and version stand in one place."""

_BASE = "https://stac-extensions.github.io"

ALTERNATE = f"{_BASE}/alternate-assets/v1.2.0/schema.json"
CLASSIFICATION = f"{_BASE}/classification/v2.0.0/schema.json"
EO = f"{_BASE}/eo/v2.0.0/schema.json"
FILE = f"{_BASE}/file/v2.1.0/schema.json"
GRID = f"{_BASE}/grid/v1.1.0/schema.json"
MGRS = f"{_BASE}/mgrs/v1.0.0/schema.json"
PROCESSING = f"{_BASE}/processing/v1.2.0/schema.json"
PRODUCT = f"{_BASE}/product/v1.0.0/schema.json"
PROJECTION = f"{_BASE}/projection/v2.0.0/schema.json"
RASTER = f"{_BASE}/raster/v2.0.0/schema.json"
RENDER = f"{_BASE}/render/v2.0.0/schema.json"
SATELLITE = f"{_BASE}/sat/v1.2.0/schema.json"
SENTINEL_2 = f"{_BASE}/sentinel-2/v1.0.0/schema.json"
VERSION = f"{_BASE}/version/v1.2.0/schema.json"
VIEW = f"{_BASE}/view/v1.1.0/schema.json"
WEB_MAP_LINKS = f"{_BASE}/web-map-links/v1.2.0/schema.json"

OF_SCENES = (EO, PROCESSING, RASTER, RENDER, VIEW, CLASSIFICATION, PRODUCT)
"""Of the collections of scenes."""

OF_INDICES = (EO, PROCESSING, RASTER, RENDER, VIEW, CLASSIFICATION)
"""Of the collection of indices."""
