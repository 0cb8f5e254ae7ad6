"""Settings of the providers, read once from the environment and passed down."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

type Access = Literal["auto", "s3", "https", "zip"]


class SourceSettings(BaseSettings):
    """Where the providers are, what we may use of them, and with which credentials."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True, extra="ignore", populate_by_name=True)

    cdse_user: str = Field(default="", description="account at the Copernicus Data Space, for HTTPS")
    cdse_password: SecretStr = Field(default=SecretStr(""), description="its password")
    cdse_s3_key: str = Field(default="", description="access key of its S3, preferred to HTTPS")
    cdse_s3_secret: SecretStr = Field(default=SecretStr(""), description="secret key of its S3")
    cdse_access: Access = Field(
        default="auto", description="auto (S3 if there is a key), s3, https (file by file) or zip (whole products)"
    )
    cdse_connections: int = Field(default=4, ge=1, le=16, description="most connections at once; more are refused")
    cdse_stac_url: str = Field(default="https://stac.dataspace.copernicus.eu/v1", description="its STAC API")
    cdse_catalogue_url: str = Field(
        default="https://catalogue.dataspace.copernicus.eu/odata/v1", description="its OData catalogue"
    )
    cdse_download_url: str = Field(
        default="https://download.dataspace.copernicus.eu/odata/v1", description="its download service"
    )
    cdse_token_url: str = Field(
        default="https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
        description="where its tokens are made",
    )
    cdse_s3_endpoint: str = Field(default="https://eodata.dataspace.copernicus.eu", description="its S3")
    cdse_s3_bucket: str = Field(default="eodata", description="the bucket of its products")
    earth_search_url: str = Field(default="https://earth-search.aws.element84.com/v1", description="its STAC API")
    earth_search_collection: str = Field(
        default="sentinel-2-l2a", description="sentinel-2-l2a, or sentinel-2-c1-l2a (Collection 1)"
    )
    earth_search_connections: int = Field(default=8, ge=1, le=64, description="most connections at once")
    keep_free_gb: float = Field(
        default=5.0, ge=0, description="gigabytes of the inbox's disk that downloads leave free"
    )
    source_patience: float = Field(
        default=300.0,
        ge=0,
        description="most seconds to wait when a provider asks for it; longer is left to a later run",
    )
