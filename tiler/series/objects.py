"""The object store as the series engine reads it: by obstore, whose reads are bounded in time."""

import os
from datetime import timedelta

from obstore.store import S3Store

from stac.settings import Settings


def connect(settings: Settings, *, seconds: float, retries: int = 2) -> S3Store:
    """The bucket of `settings`; a request is tried again so often, and given up after `seconds`."""
    return S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        skip_signature=not settings.aws_access_key_id,
        virtual_hosted_style_request=False,
        client_options={
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=min(seconds, 5)),
            "allow_http": True,
        },
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=seconds)},
    )


def use_store(settings: Settings) -> None:
    """Point GDAL, in the whole process, at the object store: threads that read inherit only its environment."""
    os.environ.update({name: str(value) for name, value in settings.gdal_environment().items()})
    os.environ["AWS_NO_SIGN_REQUEST"] = "NO" if settings.aws_access_key_id else "YES"
