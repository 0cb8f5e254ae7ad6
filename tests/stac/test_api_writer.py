"""Who may write: a secret, or tokens of an identity provider, which is a real server with real keys here."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Annotated, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import Depends, FastAPI
from pydantic import ValidationError
from starlette.testclient import TestClient

from stac.api import create_app
from stac.api_errors import handle_errors
from stac.api_writer import REFUSALS, use_writers, writer
from stac.settings import WriterSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stac.settings import Settings

TOKEN = "0123456789abcdef" * 4
ISSUER = "https://login.example.org/"
AUDIENCE = "sen2extract"


def client_of(settings: WriterSettings) -> TestClient:
    app = FastAPI()
    handle_errors(app)
    use_writers(app, settings)

    @app.post("/areas", responses=REFUSALS)
    async def add(who: Annotated[str, Depends(writer)]) -> dict[str, str]:
        return {"by": who}

    return TestClient(app, raise_server_exceptions=False)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_holder_of_the_secret_may_write() -> None:
    answer = client_of(WriterSettings(token=TOKEN)).post("/areas", headers=bearer(TOKEN))
    assert answer.status_code == 200
    assert answer.json() == {"by": "writer"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer"},
        {"Authorization": TOKEN},
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "0"),
        {"Authorization": b"Bearer \xfc\xfc"},
    ],
)
def test_anybody_else_is_told_what_to_send(headers: Any) -> None:
    answer = client_of(WriterSettings(token=TOKEN)).post("/areas", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="sen2extract"')
    assert "token" in answer.json()["detail"]
    assert TOKEN not in answer.text


def test_nobody_may_write_where_no_writer_is_configured() -> None:
    client = client_of(WriterSettings())
    for headers in ({}, bearer(""), bearer(TOKEN)):
        assert client.post("/areas", headers=headers).status_code == 403


def test_openapi_names_the_scheme() -> None:
    document = client_of(WriterSettings(token=TOKEN)).get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["writer"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "A writer's token",
    }
    operation = document["paths"]["/areas"]["post"]
    assert operation["security"] == [{"writer": []}]
    assert {"401", "403"} <= set(operation["responses"])


@pytest.mark.parametrize("token", ["short", "changeme" * 8, "a" * 64, "é0123456789abcdef" * 3])
def test_a_token_that_could_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="STAC_WRITER_TOKEN could be guessed"):
        WriterSettings(token=token)


def test_a_provider_has_to_be_named_whole() -> None:
    with pytest.raises(ValidationError, match="STAC_WRITER_AUDIENCE, STAC_WRITER_JWKS"):
        WriterSettings(issuer=ISSUER)
    with pytest.raises(ValidationError, match="https"):
        WriterSettings(issuer=ISSUER, audience=AUDIENCE, jwks="http://login.example.org/keys")


class Provider:
    """An identity provider: a key, the address at which it stands, tokens."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.keys: bytes = json.dumps(
            {"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": "one"}]}
        ).encode()
        self.jwks = ""

    def token(self, key: Any = None, *, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
        now = int(time.time())
        base = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600}
        wanted = {name: value for name, value in (base | claims).items() if value is not None}
        return jwt.encode(wanted, key or self.key, algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    one = Provider()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(one.keys if self.path == "/keys" else b"no JSON")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        one.jwks = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield one
        server.shutdown()
        thread.join()


def of_provider(provider: Provider, **changes: Any) -> TestClient:
    wanted: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": provider.jwks}
    return client_of(WriterSettings(**(wanted | changes)))


def test_a_token_of_the_provider_says_who_writes(provider: Provider) -> None:
    answer = of_provider(provider).post("/areas", headers=bearer(provider.token()))
    assert answer.json() == {"by": "ada"}


def test_the_secret_counts_beside_the_provider(provider: Provider) -> None:
    client = of_provider(provider, token=TOKEN)
    assert client.post("/areas", headers=bearer(TOKEN)).json() == {"by": "writer"}
    assert client.post("/areas", headers=bearer(provider.token())).json() == {"by": "ada"}


FORGED: dict[str, Callable[[Provider], str]] = {
    "expired": lambda p: p.token(exp=int(time.time()) - 3600),
    "for ever": lambda p: p.token(exp=None),
    "made out to another": lambda p: p.token(aud="somebody"),
    "of another provider": lambda p: p.token(iss="https://evil.example.org/"),
    "nobody's": lambda p: p.token(sub=None),
    "signed by another": lambda p: p.token(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "with a key unknown": lambda p: p.token(kid="two"),
    "signed with the address as a secret": lambda p: p.token(p.jwks.ljust(64), algorithm="HS256"),
    "not signed": lambda _: jwt.encode({"sub": "ada", "iss": ISSUER, "aud": AUDIENCE}, "", "none"),
    "no token": lambda _: "a.b.c",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(provider: Provider, forge: Callable[[Provider], str]) -> None:
    answer = of_provider(provider).post("/areas", headers=bearer(forge(provider)))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "read stac:write"}, 200),
        ({"roles": ["stac:write"]}, 200),
        ({"scope": "stac:writer"}, 403),
        ({}, 403),
    ],
)
def test_a_scope_may_be_asked_for(provider: Provider, claims: dict[str, Any], status: int) -> None:
    answer = of_provider(provider, scope="stac:write").post("/areas", headers=bearer(provider.token(**claims)))
    assert answer.status_code == status
    if status == 403:
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert answer.json()["status"] == 403


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/keys", "/junk"])
def test_a_provider_that_is_away_is_no_verdict(provider: Provider, address: str) -> None:
    jwks = address if address.startswith("http") else provider.jwks.replace("/keys", address)
    answer = of_provider(provider, jwks=jwks).post("/areas", headers=bearer(provider.token()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_browsers_may_ask_to_write_only_where_somebody_may(plain_settings: Settings) -> None:
    asked = {"Origin": "https://page.example.org", "Access-Control-Request-Method": "PATCH"}
    reading = TestClient(create_app(plain_settings, WriterSettings()))
    writing = TestClient(create_app(plain_settings, WriterSettings(token=TOKEN)))
    assert reading.options("/search", headers=asked).status_code == 400
    assert writing.options("/search", headers=asked).status_code == 200
