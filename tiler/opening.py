"""The series engine as the settings want it, for whoever runs one: the service, the command, the tasks of jobs."""

from psycopg_pool import ConnectionPool

from stac.settings import Settings
from tiler.series import objects
from tiler.series.engine import Engine
from tiler.series.limits import Limits
from tiler.settings import TilerSettings


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
