"""What a series engine needs, as the settings want it, for whoever runs one: service, command, tasks of jobs."""

from psycopg_pool import ConnectionPool

from stac.database import PGSTAC_PATH, address
from stac.settings import Settings
from tiler.series import objects
from tiler.series.engine import Engine
from tiler.series.limits import Limits
from tiler.settings import TilerSettings


def pool_of(settings: Settings, *, name: str, size: int, seconds: float) -> ConnectionPool:
    """Connections to the catalogue, still to be opened, of which one is waited for so long; `name` as PostgreSQL's.

    One that broke while nobody used it is replaced before anybody does.
    """
    return ConnectionPool(
        address(settings, name=name, seconds=3),
        min_size=1,
        max_size=size,
        timeout=seconds,
        kwargs={"options": f"-c search_path={PGSTAC_PATH}"},
        check=ConnectionPool.check_connection,
        open=False,
    )


def engine_of(
    settings: Settings, tiler: TilerSettings, pool: ConnectionPool, limits: Limits, *, gdal_seconds: float | None = None
) -> Engine:
    """An engine on the bucket of `settings` and the database of `pool`; `gdal_seconds` instead of those of `tiler`."""
    return Engine(
        pool=pool,
        bucket=settings.s3_bucket,
        store=objects.connect(settings, seconds=tiler.object_seconds),
        threads=tiler.threads,
        requests=tiler.requests,
        gdal_seconds=tiler.gdal_seconds if gdal_seconds is None else gdal_seconds,
        limits=limits,
    )
