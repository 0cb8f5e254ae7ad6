"""Settings of the tile and time-series service, beside those that every part shares."""

from pydantic import Field, SecretStr
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
        default=4_000_000, ge=1, description="most pixels that one request reads in the bounding box of one feature"
    )
    max_pixel_reads: int = Field(
        default=400_000_000, ge=1, description="most pixels x acquisitions x images that one request may read"
    )
    max_body_bytes: int = Field(default=10_000_000, ge=1, description="most bytes of a request's body")
    cache_seconds: int = Field(default=60, ge=0, description="max-age of series; tiles of one item are kept an hour")
    tile_cache_mb: int = Field(
        default=64, ge=4, description="megabytes of images that one process keeps for the tiles of indices"
    )
    stac_browser_url: str = Field(
        default="",
        description="where a STAC Browser shows an item, whose address is appended; empty: the page offers none",
    )

    airflow_url: str = Field(
        default="", description="address of Airflow, which runs jobs; empty: there are none, large requests are refused"
    )
    airflow_user: str = Field(default="", description="user of Airflow's REST API; empty: it asks for none")
    airflow_password: SecretStr = Field(default=SecretStr(""), description="password of that user")
    job_days: int = Field(default=30, ge=1, description="days for which the results of a job are kept")
    job_max_features: int = Field(default=20_000, ge=1, description="most features of one job")
    job_max_vertices: int = Field(default=2_000_000, ge=1, description="most vertices over all features of one job")
    job_max_body_bytes: int = Field(default=100_000_000, ge=1, description="most bytes of a job's body")
    job_max_feature_pixels: int = Field(
        default=100_000_000, ge=1, description="most pixels that a job reads in the bounding box of one feature"
    )
    job_max_rows: int = Field(default=20_000_000, ge=1, description="most rows that one job may make")
    job_max_pixel_reads: int = Field(
        default=100_000_000_000, ge=1, description="most pixels x acquisitions x images that one job may read"
    )
    job_chunk_rows: int = Field(default=60_000, ge=1, description="rows of a job that are held in memory together")
    job_chunk_pixel_reads: int = Field(
        default=400_000_000, ge=1, description="pixels x acquisitions x images that one task of a job reads"
    )
