"""A provider of Sentinel-2 products on loopback, as CDSE and Earth Search are, with their troubles on demand.

STAC search (paged), OData (products, deleted products), tokens that expire, files over HTTPS nodes, as a zip, and over
S3 with signed addresses; COGs that are open to all. A real server, for our code to be tried against.
"""

import asyncio
import hashlib
import json
import re
import shutil
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import httpx
import uvicorn
from blake3 import blake3
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stac.naming import ProductName

USER, PASSWORD = "reader@example.org", "correct-horse"
KEY, SECRET = "FAKEACCESSKEY", "fake-secret-key"
_CHUNK = 1024
_BUCKET = "eodata"


@dataclass
class Fault:
    """A trouble that requests meet whose path matches: `times` of them, after the first `after`.

    `status` answers with it (and `retry_after`, if given); `cut` breaks the connection after so many bytes; `corrupt`
    changes a byte; `slow` waits so many seconds between chunks; `location` redirects there.
    """

    path: str
    times: int = 1
    after: int = 0
    status: int = 0
    retry_after: str | None = None
    cut: int | None = None
    corrupt: bool = False
    slow: float = 0.0
    location: str | None = None
    met: int = 0

    def takes(self, path: str) -> bool:
        if not re.search(self.path, path):
            return False
        self.met += 1
        return self.after < self.met <= self.after + self.times


@dataclass
class Seen:
    """A request as the provider got it."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    query: str
    status: int = 0


@dataclass
class Product:
    """A product on offer. `extra` are further assets and properties of its STAC item."""

    id: str
    name: ProductName
    folder: Path
    cloud: float
    item: dict[str, Any]
    deleted: str | None = None


@dataclass
class Provider:
    """The provider; `faults` may be changed while it runs. `page` is how many items it gives at most at once.

    A `sloppy` one filters nothing; `astray` is where its pages lead instead of to the next.
    """

    room: Path
    page: int = 3
    lifetime: float = 600.0
    sloppy: bool = False
    astray: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    products: dict[str, Product] = field(default_factory=dict)
    cogs: dict[str, dict[str, Any]] = field(default_factory=dict)
    issued: dict[str, float] = field(default_factory=dict)
    busiest: int = 0
    url: str = ""
    _busy: int = 0

    def add(self, product: Path, cloud: float = 5.0) -> Product:
        """Offer a SAFE folder."""
        name = ProductName.parse(product.name)
        folder = self.room / _BUCKET / self._key(name)
        shutil.copytree(product, folder, dirs_exist_ok=True)
        one = Product(id=str(uuid.uuid5(uuid.NAMESPACE_DNS, str(name))), name=name, folder=folder, cloud=cloud, item={})
        one.item = self._item(one)
        self.products[str(name)] = one
        return one

    def add_cogs(self, item: dict[str, Any], folder: Path) -> None:
        """Offer an Earth Search item; its assets' files lie in `folder`."""
        place = self.room / "cogs" / item["id"]
        shutil.copytree(folder, place, dirs_exist_ok=True)
        assets = {
            key: {**asset, "href": f"{self.url}/cogs/{item['id']}/{asset['href']}"}
            for key, asset in item["assets"].items()
            if (place / asset["href"]).is_file()
        }
        self.cogs[item["id"]] = {**item, "assets": assets}

    def withdraw(self, name: str, cause: str = "Corrupted product") -> None:
        """Take a product back."""
        self.products[name].deleted = cause
        shutil.rmtree(self.products[name].folder)

    def expire_tokens(self) -> None:
        self.issued.clear()

    def environment(self) -> dict[str, str]:
        """The settings with which our code finds this provider."""
        return {
            "INGEST_CDSE_STAC_URL": f"{self.url}/stac",
            "INGEST_CDSE_CATALOGUE_URL": f"{self.url}/odata",
            "INGEST_CDSE_DOWNLOAD_URL": f"{self.url}/download",
            "INGEST_CDSE_TOKEN_URL": f"{self.url}/token",
            "INGEST_CDSE_S3_ENDPOINT": self.url,
            "INGEST_CDSE_S3_KEY": KEY,
            "INGEST_CDSE_S3_SECRET": SECRET,
            "INGEST_CDSE_USER": USER,
            "INGEST_CDSE_PASSWORD": PASSWORD,
            "INGEST_EARTH_SEARCH_URL": f"{self.url}/earth-search",
            "INGEST_KEEP_FREE_GB": "0",
        }

    def files(self, pattern: str = "") -> list[Seen]:
        """The requests for files whose path matches."""
        kinds = ("/eodata/", "/download/", "/cogs/")
        return [one for one in self.seen if one.path.startswith(kinds) and re.search(pattern, one.path)]

    def forget(self) -> None:
        """No faults, and nothing seen."""
        self.faults.clear()
        self.seen.clear()
        self.busiest = 0

    @contextmanager
    def serve(self) -> Iterator[Self]:
        """Answer on a free port while the block lasts."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self._app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield self
        finally:
            server.should_exit = True
            thread.join(10)
            listener.close()

    # The endpoints.

    def _app(self) -> Starlette:
        routes = [
            ("/stac/search", self._search, ["GET", "POST"]),
            ("/stac/collections/{collection}/items/{id}", self._one, ["GET"]),
            ("/earth-search/search", self._search_cogs, ["POST"]),
            ("/earth-search/collections/{collection}/items/{id}", self._one_cog, ["GET"]),
            ("/odata/{entity}", self._odata, ["GET"]),
            ("/token", self._token, ["POST"]),
            ("/download/Products({id})/{path:path}", self._download, ["GET"]),
            ("/eodata/{path:path}", self._object, ["GET"]),
            ("/cogs/{path:path}", self._cog, ["GET"]),
            ("/again", self._nothing, ["GET"]),
            ("/nothing/search", self._nothing, ["POST"]),
            ("/junk/search", self._junk, ["POST"]),
        ]
        return Starlette(routes=[Route(path, self._noted(answer), methods=verbs) for path, answer, verbs in routes])

    def _noted(self, answer: Any) -> Any:
        async def noted(request: Request) -> Response:
            path = request.url.path
            headers = request.headers
            one = Seen(request.method, path, headers.get("range"), headers.get("authorization"), request.url.query)
            self.seen.append(one)
            fault = next((fault for fault in self.faults if fault.takes(path)), Fault(""))
            if fault.location:
                response = Response(status_code=302, headers={"location": fault.location})
            elif fault.status:
                wait = {"retry-after": fault.retry_after} if fault.retry_after else {}
                response = Response("trouble", status_code=fault.status, headers=wait)
            else:
                request.state.fault = fault
                response = await answer(request)
            one.status = response.status_code
            return response

        return noted

    async def _search(self, request: Request) -> Response:
        if request.method == "POST":
            body = await request.json()
            start = 0
        else:
            body, start = json.loads(request.query_params["token"]).values()
        living = [one for one in self.products.values() if not one.deleted]
        found = [one.item for one in living if self.sloppy or _matches(one, body)]
        return self._page(found, body, start, f"{self.url}/stac/search")

    def _page(self, found: list[dict[str, Any]], body: dict[str, Any], start: int, url: str) -> Response:
        end = start + min(self.page, body.get("limit", 10))
        token = json.dumps({"body": body, "start": end})
        href = self.astray or str(httpx.URL(url, params={"token": token}))
        following = {"rel": "next", "method": "GET", "href": href}
        links = [following] if end < len(found) else []
        return JSONResponse({"type": "FeatureCollection", "features": found[start:end], "links": links})

    async def _one(self, request: Request) -> Response:
        product = self.products.get(request.path_params["id"])
        if product is None or product.deleted:
            return JSONResponse({"detail": "not found"}, 404)
        return JSONResponse(product.item)

    async def _search_cogs(self, request: Request) -> Response:
        body = await request.json()
        tiles = body.get("query", {}).get("grid:code", {}).get("in")
        start, end = body["datetime"].split("/")
        found = [
            item
            for item in self.cogs.values()
            if (tiles is None or item["properties"]["grid:code"] in tiles)
            and start <= item["properties"]["datetime"] < end
        ]
        first = int(body.get("next", 0))
        last = first + self.page
        following = {
            "rel": "next", "method": "POST", "href": f"{self.url}/earth-search/search", "merge": True,
            "body": {"next": last},
        }  # fmt: skip
        links = [following] if last < len(found) else []
        return JSONResponse({"type": "FeatureCollection", "features": found[first:last], "links": links})

    async def _one_cog(self, request: Request) -> Response:
        item = self.cogs.get(request.path_params["id"])
        return JSONResponse(item) if item else JSONResponse({}, 404)

    async def _odata(self, request: Request) -> Response:
        deleted = request.path_params["entity"] == "DeletedProducts"
        wanted = request.query_params["$filter"]
        skip, top = int(request.query_params.get("$skip", 0)), int(request.query_params.get("$top", 20))
        records = [
            self._record(one)
            for one in self.products.values()
            if bool(one.deleted) == deleted and _odata_matches(one, wanted)
        ]
        return JSONResponse({"value": records[skip : skip + top]})

    def _record(self, one: Product) -> dict[str, Any]:
        name = {"Id": one.id, "Name": f"{one.name}.SAFE"}
        if one.deleted:
            return {**name, "DeletionCause": one.deleted, "DeletionDate": "2026-01-02T00:00:00.000Z"}
        content = self._zip(one).read_bytes()
        sums = [
            {"Algorithm": "MD5", "Value": hashlib.md5(content).hexdigest()},
            {"Algorithm": "BLAKE3", "Value": blake3(content).hexdigest()},
        ]
        return {**name, "Online": True, "ContentLength": len(content), "Checksum": sums}

    async def _token(self, request: Request) -> Response:
        form = dict(part.split("=", 1) for part in (await request.body()).decode().split("&"))
        values = {name: unquote(value.replace("+", " ")) for name, value in form.items()}
        known = values.get("grant_type") == "password" and (values["username"], values["password"]) == (USER, PASSWORD)
        again = values.get("grant_type") == "refresh_token" and values["refresh_token"].startswith("refresh-")
        if not known and not again:
            return JSONResponse({"error": "invalid_grant"}, 401)
        token = uuid.uuid4().hex
        self.issued[token] = time.monotonic() + self.lifetime
        answer = {"access_token": token, "expires_in": self.lifetime, "refresh_token": f"refresh-{token}"}
        return JSONResponse(answer)

    async def _download(self, request: Request) -> Response:
        kind, _, token = (request.headers.get("authorization") or "").partition(" ")
        if kind != "Bearer" or self.issued.get(token, 0.0) < time.monotonic():
            return Response("Expired signature!", 401)
        product = next((one for one in self.products.values() if one.id == request.path_params["id"]), None)
        if product is None or product.deleted:
            return Response("not found", 404)
        path = request.path_params["path"]
        if path == "$value":
            if request.headers.get("range"):
                return Response("a range of a zip cannot be had", 400)
            return self._send(request, self._zip(product))
        parts = re.findall(r"Nodes\(([^)]*)\)", path)
        return self._send(request, product.folder.parent.joinpath(*parts))

    async def _object(self, request: Request) -> Response:
        query = request.query_params
        signed = query.get("X-Amz-Credential", "").startswith(f"{KEY}/") and len(query.get("X-Amz-Signature", "")) == 64
        if not signed:
            return Response("<Error><Code>InvalidAccessKeyId</Code></Error>", 403)
        return self._send(request, self.room / _BUCKET / request.path_params["path"])

    async def _cog(self, request: Request) -> Response:
        return self._send(request, self.room / "cogs" / request.path_params["path"])

    async def _nothing(self, _: Request) -> Response:
        return JSONResponse([])

    async def _junk(self, _: Request) -> Response:
        return Response("<html>maintenance</html>")

    # Files.

    def _send(self, request: Request, path: Path) -> Response:
        """A file or a range of it, with whatever fault the request meets."""
        if not path.is_file():
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404)
        fault: Fault = request.state.fault
        content = bytearray(path.read_bytes())
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        if fault.corrupt and content:
            content[len(content) // 2] ^= 0xFF
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range") or "")
        first = int(wanted[1]) if wanted else 0
        if wanted and request.headers.get("if-range", etag) != etag:
            wanted, first = None, 0
        if wanted and first >= len(content):
            return Response(status_code=416, headers={"content-range": f"bytes */{len(content)}"})
        headers = {"etag": etag, "accept-ranges": "bytes", "content-length": str(len(content) - first)}
        if wanted:
            headers["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        body = self._body(bytes(content[first:]), fault)
        return StreamingResponse(body, 206 if wanted else 200, headers, media_type="application/octet-stream")

    async def _body(self, content: bytes, fault: Fault) -> AsyncIterator[bytes]:
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            for start in range(0, len(content), _CHUNK):
                if fault.cut is not None and start >= fault.cut:
                    raise ConnectionError("cut")
                yield content[start : start + _CHUNK]
                await asyncio.sleep(fault.slow)
        finally:
            self._busy -= 1

    def _zip(self, one: Product) -> Path:
        archive = self.room / f"{one.name}.zip"
        if not archive.exists():
            shutil.make_archive(str(archive.with_suffix("")), "zip", one.folder.parent, one.folder.name)
        return archive

    @staticmethod
    def _key(name: ProductName) -> str:
        return f"Sentinel-2/MSI/{name.level}/{name.datatake_start:%Y/%m/%d}/{name}.SAFE"

    def _item(self, one: Product) -> dict[str, Any]:
        """The item as CDSE writes it: S3 addresses, the nodes as alternate, multihashes of MD5."""
        name = one.name
        paths = sorted(path for path in one.folder.rglob("*") if path.is_file())
        kept = {"manifest.safe": "safe_manifest", "MTD_TL.xml": "granule_metadata", "MTD_DS.xml": "datastrip_metadata"}
        assets = {}
        for path in paths:
            key = kept.get(path.name) or ("_".join(path.stem.split("_")[2:]) if "IMG_DATA" in path.parts else "")
            if key:
                assets[key] = self._asset(one, path)
        assets["Product"] = {
            "href": f"{self.url}/download/Products({one.id})/$value",
            "file:size": sum(path.stat().st_size for path in paths),
        }
        time_text = f"{name.datatake_start:%Y-%m-%dT%H:%M:%S}.024Z"
        return {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": str(name),
            "collection": f"sentinel-2-{name.level.lower()}",
            "geometry": None,
            "properties": {
                "datetime": time_text,
                "eo:cloud_cover": one.cloud,
                "grid:code": f"MGRS-{name.tile}",
                "sat:relative_orbit": name.relative_orbit,
                "processing:version": str(name.baseline),
            },
            "links": [],
            "assets": assets,
        }

    def _asset(self, one: Product, path: Path) -> dict[str, Any]:
        inner = path.relative_to(one.folder.parent)
        nodes = "/".join(f"Nodes({part})" for part in inner.parts)
        return {
            "href": f"s3://{_BUCKET}/{self._key(one.name).rpartition('/')[0]}/{inner.as_posix()}",
            "alternate": {"https": {"href": f"{self.url}/download/Products({one.id})/{nodes}/$value"}},
            "file:size": path.stat().st_size,
            "file:checksum": f"d50110{hashlib.md5(path.read_bytes()).hexdigest()}",
        }


def _matches(one: Product, body: dict[str, Any]) -> bool:
    start, end = body["datetime"].split("/")
    if one.item["collection"] not in body["collections"] or not start <= one.item["properties"]["datetime"] < end:
        return False
    conditions = body.get("filter")
    return conditions is None or _holds(conditions, one.item["properties"])


def _holds(condition: dict[str, Any], properties: dict[str, Any]) -> bool:
    if condition["op"] == "and":
        return all(_holds(part, properties) for part in condition["args"])
    found, wanted = properties.get(condition["args"][0]["property"]), condition["args"][1]
    return found in wanted if condition["op"] == "in" else found is not None and found <= wanted


def _odata_matches(one: Product, wanted: str) -> bool:
    name = f"{one.name}.SAFE"
    exact = re.findall(r"Name eq '(S2[^']*)'", wanted)
    parts = re.findall(r"contains\(Name,'([^']*)'\)", wanted)
    sensed = f"{one.name.datatake_start:%Y-%m-%dT%H:%M:%S.000Z}"
    after = re.findall(r"ContentDate/Start ge ([^ ]+)", wanted)
    before = re.findall(r"ContentDate/Start lt ([^ ]+)", wanted)
    return (
        (not exact or name in exact)
        and all(part in name for part in parts)
        and all(sensed >= limit for limit in after)
        and all(sensed < limit for limit in before)
    )
