"""Jobs as their owners see them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from stac.jobs import Job
from stac.settings import Settings
from tiler.series.interval import format_time
from tiler.settings import TilerSettings

_JSON = "application/json"


def job_document(job: Job, address: str, settings: Settings, tiler: TilerSettings) -> dict[str, Any]:
    """A job at `address`, with the links that its status allows."""
    return {
        "id": job.id,
        "status": job.status,
        "message": job.message,
        "created": format_time(job.created),
        "updated": format_time(job.updated),
        "ended": _time(job.ended),
        "expires": format_time((job.ended or job.created) + timedelta(days=tiler.job_days)),
        "progress": {"chunks": job.chunks, "done": job.done, "failed": job.failed, "rows": job.rows},
        "request": job.request,
        "estimate": job.estimate,
        "failures": job.failures,
        "links": _links(job, address, settings),
    }


def results_document(job: Job, address: str, settings: Settings) -> dict[str, Any]:
    """Where the results of a job are."""
    links = [
        {"rel": "self", "type": _JSON, "href": f"{address}/results"},
        {"rel": "up", "type": _JSON, "href": address},
    ]
    return {"id": job.id, "status": job.status, "links": links + _files(job, settings)}


def limits_document(tiler: TilerSettings) -> dict[str, Any]:
    """How large jobs may be, and whether there are any."""
    return {
        "available": bool(tiler.airflow_url),
        "features": tiler.job_max_features,
        "vertices": tiler.job_max_vertices,
        "body_bytes": tiler.job_max_body_bytes,
        "feature_pixels": tiler.job_max_feature_pixels,
        "rows": tiler.job_max_rows,
        "pixel_reads": tiler.job_max_pixel_reads,
        "days": tiler.job_days,
    }


def _links(job: Job, address: str, settings: Settings) -> list[Mapping[str, Any]]:
    links: list[Mapping[str, Any]] = [{"rel": "self", "type": _JSON, "href": address}]
    if job.is_active:
        return [*links, {"rel": "cancel", "href": address, "method": "DELETE"}]
    links.append({"rel": "delete", "href": address, "method": "DELETE"})
    if job.results:
        links.append({"rel": "results", "type": _JSON, "href": f"{address}/results"})
    return links + _files(job, settings)


def _files(job: Job, settings: Settings) -> list[Mapping[str, Any]]:
    return [
        {
            "rel": "enclosure",
            "title": one["name"],
            "type": one["type"],
            "href": settings.public_href(one["key"]),
            "file:size": one["size"],
        }
        for one in job.results
    ]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
