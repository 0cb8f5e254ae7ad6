"""Settings of the tile and time-series service, beside those that every part shares."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stac.masks import DEFAULT_PROFILE


class TilerSettings(BaseSettings):
    """Limits and defaults of the service, from the environment: `TILER_THREADS`, `TILER_MAX_FEATURES` and so on."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="TILER_")

    default_mask: str = Field(default=DEFAULT_PROFILE, description="mask profile of a request that names none")
    threads: int = Field(default=16, ge=1, description="threads that sum up series, and most images that GDAL reads")
    requests: int = Field(default=64, ge=1, description="byte ranges asked of the object store at once, for all series")
    object_seconds: float = Field(
        default=10, gt=0, description="how long a series waits for one object before its row says unreadable"
    )
    gdal_seconds: float = Field(
        default=60, gt=0, description="how long one series request may read images that the block index lacks"
    )
    pool_size: int = Field(default=8, ge=1, description="most database connections of one process")
    max_features: int = Field(default=500, ge=1, description="most features of one series request")
    max_vertices: int = Field(default=100_000, ge=1, description="most vertices over all features of one request")
    max_feature_pixels: int = Field(
        default=4_000_000, ge=1, description="most 10 m pixels in the bounding box of one feature"
    )
    max_pixel_reads: int = Field(
        default=400_000_000, ge=1, description="most pixels x acquisitions x images that one request may read"
    )
    max_body_bytes: int = Field(default=10_000_000, ge=1, description="most bytes of a request's body")
    cache_seconds: int = Field(default=60, ge=0, description="max-age of series; tiles of one item are kept an hour")
    stac_browser_url: str = Field(
        default="",
        description="where a STAC Browser shows an item, whose address is appended; empty: the page offers none",
    )
