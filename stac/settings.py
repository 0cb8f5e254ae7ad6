"""The settings that every part shares, read once from the environment and passed down."""

from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stac.areas_rules import Rule, parse_rules

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KNOWN_SECRETS = frozenset({"", "minioadmin", "password", "changeme", "admin", "secret", "postgres", "sen2extract"})

_TOKEN_LENGTH = 32
_TOKEN_LETTERS = 10


class Settings(BaseSettings):
    """Where the catalogue and the object store are, and under which address users reach them.

    The database connection is libpq's own: `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, unless `PG_DSN`
    says otherwise. Raises `pydantic.ValidationError` for a public store with a well-known secret key.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    pg_dsn: str = Field(default="", description="libpq connection string; empty: libpq's PG* variables")
    s3_endpoint: str = Field(default="http://127.0.0.1:8333", description="S3 API address, as the services reach it")
    s3_public_url: str = Field(
        default="http://127.0.0.1:8000/data",
        description="address of the bucket as users reach it; asset hrefs begin with it",
    )
    s3_bucket: str = Field(default="sen2extract", description="bucket that holds the COGs and item documents")
    aws_access_key_id: str = Field(default="", description="S3 access key")
    aws_secret_access_key: SecretStr = Field(default=SecretStr(""), description="S3 secret key")
    aws_region: str = Field(default="us-east-1", description="S3 region")
    public_url: str = Field(default="http://127.0.0.1:8000", description="the one origin, as users reach it")
    ingest_inbox: Path = Field(default=Path(".local/inbox"), description="folder in which Airflow looks for products")
    ingest_shares_disk: bool = Field(
        default=True,
        description="whether all workers see the same inbox; if not, downloads reach ingestion through the bucket",
    )
    ingest_patience: float = Field(
        default=90, ge=0, description="seconds for which ingestion tries again when store or database is away"
    )
    ingest_omnicloudmask: bool = Field(
        default=False, description="whether masks hold OmniCloudMask's clouds; needs the extra of that name"
    )

    ingest_pack_assets: str = Field(
        default="",
        description="images that the DAG pack_series packs for long series, such as NDVI,MASK; empty: none",
    )
    ingest_retention: str = Field(
        default="",
        description="which products are removed, such as l1c:age=90; l2a:superseded=30; empty: none",
    )
    ingest_keep_downloads: bool = Field(
        default=False, description="whether what was downloaded stays in the inbox once it is published"
    )
    ingest_stale_days: float = Field(
        default=7, ge=0, description="days after which what broken-off downloads left in the inbox is removed"
    )
    ingest_sen2cor: str = Field(
        default="",
        description="L2A_Process, or several with their versions: 02.08=/opt/…,02.12.03=/opt/…; empty: as PATH has it",
    )
    ingest_sen2cor_minutes: float = Field(default=180, gt=0, description="longest that Sen2Cor may take for a product")

    @field_validator("ingest_retention")
    @classmethod
    def _need_rules(cls, text: str) -> str:
        parse_rules(text)
        return text

    @property
    def retention(self) -> list[Rule]:
        """The rules that hold where no watched area has its own."""
        return parse_rules(self.ingest_retention)

    @model_validator(mode="after")
    def _refuse_known_secrets(self) -> Self:
        secret = self.aws_secret_access_key.get_secret_value()
        local = urlsplit(self.public_url).hostname in _LOOPBACK
        if not local and secret.lower() in _KNOWN_SECRETS:
            msg = (
                f"AWS_SECRET_ACCESS_KEY is empty or a well-known default, and PUBLIC_URL={self.public_url} is not "
                "local: set a secret of your own"
            )
            raise ValueError(msg)
        return self

    @cached_property
    def store_host(self) -> str:
        """The store's `host:port`, as the minio client and GDAL want it."""
        return urlsplit(self.s3_endpoint).netloc

    @cached_property
    def store_is_https(self) -> bool:
        """Whether the store speaks TLS."""
        return urlsplit(self.s3_endpoint).scheme == "https"

    def gdal_environment(self) -> dict[str, str | int]:
        """GDAL configuration that lets `/vsis3/` read the store, tuned for COGs with 256-pixel blocks.

        A 10980-pixel COG with such blocks has a header of 21.8 kB, more than the 16 kB GDAL reads at first.
        """
        return {
            "AWS_S3_ENDPOINT": self.store_host,
            "AWS_HTTPS": "YES" if self.store_is_https else "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_ACCESS_KEY_ID": self.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws_secret_access_key.get_secret_value(),
            "AWS_REGION": self.aws_region,
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
            "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
            # A server that does not answer is given up: nothing in ten seconds is a read that hangs.
            "GDAL_HTTP_CONNECTTIMEOUT": 5,
            "GDAL_HTTP_LOW_SPEED_TIME": 10,
            "GDAL_HTTP_LOW_SPEED_LIMIT": 1,
            "GDAL_HTTP_MAX_RETRY": 3,
            "GDAL_HTTP_RETRY_DELAY": 1,
            "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
            "VSI_CACHE": "TRUE",
        }

    def public_href(self, key: str) -> str:
        """The address at which any client reads the object `key`."""
        return f"{self.s3_public_url.rstrip('/')}/{quote(key)}"

    def s3_href(self, key: str) -> str:
        """The `s3://` address of the object `key`."""
        return f"s3://{self.s3_bucket}/{key}"


class WriterSettings(BaseSettings):
    """Who may write over the API, by a bearer token: one long secret, an identity provider's tokens, or both.

    Without either there are no routes that write. Raises `pydantic.ValidationError` for a token that could be guessed
    and for a provider of whom not all is known.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="STAC_WRITER_", populate_by_name=True)

    token: SecretStr = Field(default=SecretStr(""), description="secret that lets a client write, at least 32 long")
    issuer: str = Field(default="", description="identity provider whose tokens let a client write, as in their `iss`")
    audience: str = Field(default="", description="whom these tokens are made out to, as in their `aud`")
    jwks: str = Field(default="", description="address of the provider's keys (JWKS)")
    scope: str = Field(default="", description="what `scope` or `roles` of these tokens must name; empty: anyone's")
    pg_dsn: str = Field(
        default="", description="libpq connection string of a role that may write; empty: the role that reads"
    )

    @property
    def enabled(self) -> bool:
        """Whether anybody may write."""
        return bool(self.token.get_secret_value() or self.issuer)

    def applied_to(self, settings: Settings) -> Settings:
        """`settings`, with the database role that writes."""
        return settings.model_copy(update={"pg_dsn": self.pg_dsn}) if self.pg_dsn else settings

    @model_validator(mode="after")
    def _refuse_weak_tokens(self) -> Self:
        token = self.token.get_secret_value()
        if token and (len(token) < _TOKEN_LENGTH or len(set(token)) < _TOKEN_LETTERS or not token.isascii()):
            msg = (
                f"STAC_WRITER_TOKEN could be guessed: it needs {_TOKEN_LENGTH} or more ASCII characters, "
                f"{_TOKEN_LETTERS} of them different. Make one with: openssl rand -hex 32"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _need_all_of_a_provider(self) -> Self:
        provider = {"ISSUER": self.issuer, "AUDIENCE": self.audience, "JWKS": self.jwks}
        missing = [f"STAC_WRITER_{name}" for name, value in provider.items() if not value]
        if missing and len(missing) < len(provider):
            msg = f"an identity provider is set in part: set {', '.join(missing)} too"
            raise ValueError(msg)
        address = urlsplit(self.jwks)
        if self.jwks and address.scheme != "https" and address.hostname not in _LOOPBACK:
            msg = f"STAC_WRITER_JWKS={self.jwks}: keys that come by anything but https could be anybody's"
            raise ValueError(msg)
        return self
