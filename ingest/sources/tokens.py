"""Access tokens that live for minutes, renewed before they end: OAuth 2 with a password, as CDSE wants it."""

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from pydantic import SecretStr

from ingest.sources.errors import CredentialsError, RefusedError
from ingest.sources.web import Web

_CLIENT = "cdse-public"
_MARGIN = 60.0
"""Seconds before its end at which a token is no longer used."""


@dataclass
class Tokens:
    """One account's token; threads share it. Raises `CredentialsError` if the account is refused."""

    web: Web
    url: str
    user: str
    password: SecretStr
    _token: str = field(default="", init=False, repr=False)
    _refresh: str = field(default="", init=False, repr=False)
    _until: float = field(default=0.0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def current(self) -> str:
        """A token that is good for a while yet."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._renew()
            return self._token

    def expire(self) -> None:
        """Not to be used any more: the provider refused it before its time."""
        with self._lock:
            self._until = 0.0

    def _renew(self) -> None:
        answer = self._ask(grant_type="refresh_token", refresh_token=self._refresh) if self._refresh else None
        if answer is None:
            answer = self._ask(grant_type="password", username=self.user, password=self.password.get_secret_value())
        if answer is None:
            raise CredentialsError(
                f"{self.web.name}: the account is refused: check INGEST_CDSE_USER and INGEST_CDSE_PASSWORD"
            )
        token, lifetime = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(lifetime, int | float):
            raise RefusedError(f"{self.web.name}: {self.url} gave no token")
        self._token, self._refresh = token, str(answer.get("refresh_token") or "")
        self._until = time.monotonic() + max(lifetime / 2, lifetime - _MARGIN)

    def _ask(self, **form: str) -> dict[str, Any] | None:
        """The endpoint's answer, None where it refuses what it was given."""
        allow = frozenset({400, 401, 403})
        answer = self.web.json("POST", self.url, allow=allow, data={"client_id": _CLIENT, **form})
        return answer if isinstance(answer, dict) else None
