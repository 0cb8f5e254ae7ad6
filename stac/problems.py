"""Errors as they leave the API: RFC 9457 problem documents that also carry STAC's `code` and `description`."""

from http import HTTPStatus
from typing import Any

from stac.database import NOT_READY

MEDIA_TYPE = "application/problem+json"

UNAVAILABLE = "the catalogue's database cannot be reached just now: try again in a few seconds"
UNFIT = "the catalogue cannot make sense of this document: check geometry, datetime and extent"
INTERNAL = "an error of ours; it has been logged"

_UNREADABLE = (
    "the catalogue cannot make sense of this request: check filter, query, sortby, ids, intersects, q and token"
)
_TOO_SLOW = "the search took too long and was given up: narrow it by collection, datetime or bbox"
_NOT_READY = "the catalogue's database has not been made ready: run `sen2extract migrate`"
_LONGEST_DETAIL = 1000
_CANCELLED = "57014"
# SQLSTATE classes that speak of the server's state, not of the request: connection, authorization, resources,
# operator intervention, system.
_SERVER_STATE = ("08", "28", "3D", "53", "57", "58")


def problem(status: int, detail: str, code: str | None = None) -> dict[str, Any]:
    """A problem document. What is longer than anyone reads is cut: it repeats what was sent."""
    detail = detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]} …"
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code or title.replace(" ", ""),
        "description": detail,
    }


def database_problem(sqlstate: str | None) -> dict[str, Any]:
    """What an error of the database means to the client; text of the database is never passed on.

    The services only ever run pgSTAC's functions, so that what is not the server's state is the request's fault.
    """
    if sqlstate == _CANCELLED:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, _TOO_SLOW, "SearchTimeout")
    if sqlstate in NOT_READY:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_READY, "DatabaseNotReady")
    if sqlstate is None or sqlstate.startswith(_SERVER_STATE):
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, "DatabaseUnavailable")
    return problem(HTTPStatus.BAD_REQUEST, _UNREADABLE, "InvalidParameterValue")
