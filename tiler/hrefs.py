"""Addresses of our objects: from what a client may name to what GDAL opens. Nothing outside our bucket passes."""

from urllib.parse import unquote, urlsplit

from stac.settings import Settings
from tiler.errors import HrefNotAllowedError


def gdal_path(href: str) -> str:
    """What GDAL opens for an `s3://` address; any other address stays as it is."""
    return f"/vsis3/{href.removeprefix('s3://')}" if href.startswith("s3://") else href


def own_object(url: str, settings: Settings) -> str:
    """GDAL's path of the object of our bucket that `url` names: `s3://{bucket}/…` or an address under `S3_PUBLIC_URL`.

    Raises `HrefNotAllowedError` for anything else, so that the service fetches nothing on a stranger's behalf.
    """
    for prefix in (f"s3://{settings.s3_bucket}/", f"{settings.s3_public_url.rstrip('/')}/"):
        if url.startswith(prefix):
            return f"/vsis3/{settings.s3_bucket}/{_key(url.removeprefix(prefix), url)}"
    raise HrefNotAllowedError(
        f"{_shown(url)} is not in this archive: url must begin with {settings.s3_public_url}/ "
        f"or s3://{settings.s3_bucket}/"
    )


def _key(quoted: str, url: str) -> str:
    key = unquote(quoted)
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(mark in key for mark in "?#\\|,\0%"):
        raise HrefNotAllowedError(f"{_shown(url)} is no object key")
    return key


def _shown(url: str) -> str:
    """`url` without user, password and query, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200] if parts.scheme else url[:200]
