"""Who may write over the API: the dependency `writer` for every route that changes something.

A client sends `Authorization: Bearer <token>`: the secret of `STAC_WRITER_TOKEN`, or a token (JWT) of the identity
provider that `STAC_WRITER_ISSUER` and its companions name. Where neither is set, no route that writes may exist: ask
`WriterSettings.enabled` before adding one.
"""

import logging
from functools import cached_property
from http import HTTPStatus
from secrets import compare_digest
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from stac.problems import MEDIA_TYPE
from stac.settings import WriterSettings

log = logging.getLogger(__name__)

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or none of ours", "content": {MEDIA_TYPE: {}}},
    403: {"description": "The token does not allow to write", "content": {MEDIA_TYPE: {}}},
}
"""What `writer` answers, for the `responses` of routes."""

_KEEPER = "writer"
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_PROVIDER_SECONDS = 5
_CLOCK_SECONDS = 30
_bearer = HTTPBearer(auto_error=False, scheme_name="writer", description="A writer's token")


class Writers:
    """Those who may write, by `settings`."""

    def __init__(self, settings: WriterSettings) -> None:
        self.settings = settings

    def identify(self, token: str) -> str:
        """The name of who sent `token`; raises `HTTPException`: 401 for a stranger, 403 for who may only read."""
        secret = self.settings.token.get_secret_value()
        if secret and compare_digest(token.encode(), secret.encode()):
            return _KEEPER
        if not self.settings.issuer:
            raise _refusal(HTTPStatus.UNAUTHORIZED, "invalid_token", "the token is not the writer's")
        return self._of_the_provider(token)

    def _of_the_provider(self, token: str) -> str:
        try:
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=_ALGORITHMS,
                issuer=self.settings.issuer,
                audience=self.settings.audience,
                leeway=_CLOCK_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWKClientConnectionError, OSError, ValueError) as error:
            log.warning("keys of %s: %s", self.settings.issuer, error)
            detail = "the identity provider cannot be reached just now: try again in a few seconds"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5"}) from None
        except jwt.PyJWTError as error:
            raise _refusal(HTTPStatus.UNAUTHORIZED, "invalid_token", f"the token is refused: {error}") from None
        if self.settings.scope and self.settings.scope not in _granted(claims):
            detail = f"the token does not allow to write: it lacks {self.settings.scope!r}"
            raise _refusal(HTTPStatus.FORBIDDEN, "insufficient_scope", detail)
        return str(claims["sub"])

    @cached_property
    def _keys(self) -> jwt.PyJWKClient:
        return jwt.PyJWKClient(self.settings.jwks, cache_keys=True, timeout=_PROVIDER_SECONDS)


def use_writers(app: FastAPI, settings: WriterSettings) -> None:
    """Tell `app` who may write; `writer` looks there."""
    app.state.writers = Writers(settings)


async def writer(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The name of the writer who sent the request; anybody else gets 401 or 403."""
    writers: Writers | None = getattr(request.app.state, "writers", None)
    if writers is None or not writers.settings.enabled:
        raise _refusal(HTTPStatus.FORBIDDEN, None, "nobody may write here: no writer is configured")
    if credentials is None:
        raise _refusal(HTTPStatus.UNAUTHORIZED, None, "writing takes a token: send Authorization: Bearer <token>")
    # A thread, since the provider's keys may have to be fetched first.
    return await run_in_threadpool(writers.identify, credentials.credentials)


def _granted(claims: dict[str, Any]) -> set[str]:
    """What the provider grants: `scope` is a text of words (RFC 8693), `roles` and `scp` of some providers a list."""
    found: set[str] = set()
    for name in ("scope", "scp", "roles"):
        value = claims.get(name) or ()
        found.update(value.split() if isinstance(value, str) else map(str, value))
    return found


def _refusal(status: HTTPStatus, error: str | None, detail: str) -> HTTPException:
    """The challenge of RFC 6750."""
    challenge = f'Bearer realm="sen2extract", error="{error}"' if error else 'Bearer realm="sen2extract"'
    return HTTPException(status, detail, {"WWW-Authenticate": challenge})
