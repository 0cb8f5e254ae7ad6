"""Liveness and readiness: is this process alive, and can it reach what it needs."""

from typing import Any

import obstore
import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError
from obstore.store import S3Store
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from stac.settings import Settings

router = APIRouter(tags=["Health"])
_TIMEOUT = 3.0


@router.get("/livez")
def livez() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz")
@router.get("/healthz")
def readyz(request: Request) -> JSONResponse:
    """Database and object store answer too: 200, or 503 with what is away."""
    state = request.app.state
    checks = {"database": check_database(state.dbpool), "store": check_store(state.settings)}
    ready = all(check["status"] == "ok" for check in checks.values())
    body = {"status": "ok" if ready else "unavailable", "dependencies": checks}
    return JSONResponse(body, status_code=200 if ready else 503, headers={"Cache-Control": "no-store"})


def check_database(pool: ConnectionPool) -> dict[str, Any]:
    """Whether pgSTAC answers, and its version."""
    try:
        with pool.connection(timeout=_TIMEOUT) as connection:
            row = connection.execute("SELECT pgstac.get_version()").fetchone()
    except (psycopg.Error, PoolTimeout, PoolClosed) as error:
        return {"status": "unavailable", "reason": f"database: {type(error).__name__}"}
    return {"status": "ok", "pgstac": row[0] if row else None}


def check_store(settings: Settings) -> dict[str, Any]:
    """Whether the bucket can be listed."""
    store = S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        skip_signature=not settings.aws_access_key_id,
        virtual_hosted_style_request=False,
        client_options={"timeout": f"{_TIMEOUT:.0f}s", "connect_timeout": f"{_TIMEOUT:.0f}s", "allow_http": True},
        retry_config={"max_retries": 0},
    )
    try:
        next(iter(obstore.list(store, prefix="sentinel-2-l2a", chunk_size=1)), None)
    except BaseError as error:
        return {"status": "unavailable", "reason": f"store: {type(error).__name__}"}
    return {"status": "ok", "bucket": settings.s3_bucket}
