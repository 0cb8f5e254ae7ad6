"""Liveness and readiness: is this process alive, and can it reach what it needs."""

from typing import Any

import obstore
import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from stac.collections import L2A
from stac.settings import Settings
from tiler.series import objects

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
    store = objects.connect(settings, seconds=_TIMEOUT, retries=0)
    try:
        next(iter(obstore.list(store, prefix=L2A, chunk_size=1)), None)
    except BaseError as error:
        return {"status": "unavailable", "reason": f"store: {type(error).__name__}"}
    return {"status": "ok", "bucket": settings.s3_bucket}
