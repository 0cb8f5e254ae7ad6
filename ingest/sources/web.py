"""HTTP as providers need it: few connections, pauses when asked, no credentials and no redirect astray.

Everything a provider sends is bounded and checked: a catalogue's answer is no instruction.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from ingest.sources.errors import CredentialsError, PassingError, RefusedError, WithdrawnError

log = logging.getLogger(__name__)
# It writes every address at level INFO, signatures included.
logging.getLogger("httpx").setLevel(logging.WARNING)

type Headers = Mapping[str, str]
type Resolver = Callable[[str], tuple[str, dict[str, str]]]
"""What turns an href into an address that can be asked now, and the headers that only its own host may see."""

_ANSWER_LIMIT = 32 * 1024**2
_REDIRECTS = 5
_FAMILY = 2
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TIMEOUT = httpx.Timeout(60, connect=15)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How often and how patiently a request is tried again: `attempts` are those in a row that gain nothing."""

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 60.0
    patience: float = 300.0

    def retrying(self, interrupt: threading.Event | None = None) -> Retrying:
        """Call something that can safely be done twice; what passes is tried again, anything else raised at once.

        `interrupt` ends a pause.
        """
        backoff = wait_random_exponential(multiplier=self.first_pause, max=self.longest_pause)
        fruitless = 0

        def wait(state: RetryCallState) -> float:
            return max(_passing(state).retry_after, backoff(state))

        def stop(state: RetryCallState) -> bool:
            nonlocal fruitless
            error = _passing(state)
            fruitless = 0 if error.progressed else fruitless + 1
            return fruitless >= self.attempts or error.retry_after > self.patience

        return Retrying(
            retry=retry_if_exception_type(PassingError),
            wait=wait,
            stop=stop,
            sleep=sleep_using_event(interrupt or threading.Event()),
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        )


def _passing(state: RetryCallState) -> PassingError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, PassingError) else PassingError(str(error))


@dataclass
class Gate:
    """No more than `width` at once, and nobody before a time that the provider named."""

    width: int
    _free: threading.BoundedSemaphore = field(init=False)
    _until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._free = threading.BoundedSemaphore(self.width)

    def __enter__(self) -> Self:
        self._free.acquire()
        if (pause := self._until - time.monotonic()) > 0:
            time.sleep(pause)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()

    def close_for(self, seconds: float) -> None:
        """Let nobody in for so long."""
        self._until = max(self._until, time.monotonic() + seconds)


def plainly(href: str) -> tuple[str, dict[str, str]]:
    """The resolver of a provider that wants no credentials."""
    return href, {}


class Web:
    """One provider's HTTP.

    `resolve` is asked anew at every attempt, so that tokens and signatures are fresh; `renew` is told when one of them
    was refused all the same.
    """

    def __init__(
        self,
        name: str,
        *,
        connections: int,
        policy: Policy | None = None,
        resolve: Resolver = plainly,
        renew: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.connections = connections
        self.policy = policy or Policy()
        self.resolve = resolve
        self.renew = renew
        self._gate = Gate(connections)
        self._client = httpx.Client(
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=connections),
            headers={"User-Agent": "sen2extract"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def json(self, method: str, url: str, *, allow: frozenset[int] = frozenset(), **options: Any) -> Any:
        """An answer in JSON, tried again with patience; None for a status in `allow`. Raises `SourceError`."""
        return self.policy.retrying()(self._json, method, url, allow, options)

    def _json(self, method: str, url: str, allow: frozenset[int], options: Mapping[str, Any]) -> Any:
        with self.stream(method, url, allow=allow, **options) as response:
            if response.status_code in allow:
                return None
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _ANSWER_LIMIT:
                    raise RefusedError(f"{self.name}: an answer of more than {_ANSWER_LIMIT} bytes from {_bare(url)}")
            try:
                return json.loads(content)
            except (ValueError, RecursionError) as error:
                raise PassingError(f"{self.name}: no JSON from {_bare(url)}: {bytes(content[:80])!r}") from error

    @contextmanager
    def stream(
        self,
        method: str,
        href: str,
        *,
        headers: Headers | None = None,
        allow: frozenset[int] = frozenset(),
        **options: Any,
    ) -> Iterator[httpx.Response]:
        """One attempt: an answer whose status is a success or in `allow`, its body still to be read.

        Raises `PassingError` if it or its body is worth another try, else `RefusedError`.
        """
        with self._gate:
            try:
                with self._follow(method, href, headers or {}, options) as response:
                    if not response.is_success and response.status_code not in allow:
                        self._refuse(response)
                    yield response
            except (httpx.TransportError, httpx.StreamError) as error:
                what = f"{self.name}: {_bare(href)}: {type(error).__name__}: {error}"
                raise PassingError(what) from error
            except httpx.InvalidURL as error:
                raise RefusedError(f"{self.name}: {href!r} is no address") from error

    @contextmanager
    def _follow(self, method: str, href: str, headers: Headers, options: Mapping[str, Any]) -> Iterator[httpx.Response]:
        address, own = self.resolve(href)
        home = url = httpx.URL(address)
        for _ in range(_REDIRECTS + 1):
            sent = {**headers, **(own if is_own(url, home) else {})}
            with self._client.stream(method, url, headers=sent, **options) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                target = url.join(response.headers["location"])
            if target.scheme != "https" and (target.scheme, url.scheme) != ("http", "http"):
                raise RefusedError(f"{self.name}: {_bare(href)} leads to {target.scheme}: refused")
            url = target
        raise RefusedError(f"{self.name}: {_bare(href)} leads on and on")

    def _refuse(self, response: httpx.Response) -> NoReturn:
        status, where = response.status_code, f"{self.name}: {_bare(str(response.request.url))}"
        if status in _PASSING:
            seconds = _retry_after(response)
            if seconds <= self.policy.patience:
                self._gate.close_for(seconds)
            asked = f", which asks to wait {seconds:.0f} s" if seconds else ""
            raise PassingError(f"{where}: {status}{asked}", retry_after=seconds)
        if status == httpx.codes.UNAUTHORIZED and self.renew is not None:
            self.renew()
            raise PassingError(f"{where}: {status}: the token was refused before its time")
        if status in (401, 403):
            raise CredentialsError(f"{where}: {status}: the provider does not accept the credentials, or wants some")
        if status in (404, 410):
            raise WithdrawnError(f"{where}: {status}: not there")
        raise RefusedError(f"{where}: {status}")


def is_own(url: httpx.URL, home: httpx.URL) -> bool:
    """Whether credentials for `home` may be shown at `url`: the same origin, or HTTPS at a sister of its host.

    Sisters share all but the first label (`download.` and `zipper.dataspace.copernicus.eu`), of which three are left.
    """
    if (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port):
        return True
    family = home.host.partition(".")[2]
    named = url.port == home.port and family.count(".") >= _FAMILY and not family.rpartition(".")[2].isdigit()
    return named and (url.scheme, home.scheme) == ("https", "https") and url.host.partition(".")[2] == family


def _bare(url: str) -> str:
    """An address without its query, which may hold a signature or a token."""
    return url.partition("?")[0]


def _retry_after(response: httpx.Response) -> float:
    """Seconds, from a number or a date; 0 where there is none that can be read."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (when - datetime.now(UTC)).total_seconds()) if when.tzinfo else 0.0
