"""A server that answers as Airflow's REST API does, as far as jobs need it, and remembers what it was told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

RUNS = "/api/v2/dags/extract_series/dagRuns"


@dataclass
class StandIn:
    """`runs` are states by id; `broken` is a status that every answer has; `token` the only one that is accepted."""

    url: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    token: str = "first"
    logins: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict, bearer: str) -> tuple[int, dict]:
        if self.broken:
            return self.broken, {"detail": "secret of Airflow's inside"}
        if path == "/auth/token":
            self.logins.append(f"{method} {body.get('username', '')} {body.get('password', '')}")
            return 201, {"access_token": self.token}
        if bearer != f"Bearer {self.token}":
            return 403, {"detail": "Forbidden"}  # as Airflow 3.3.2 does, not 401
        if method == "POST" and path == RUNS:
            job = body["dag_run_id"]
            assert body["conf"] == {"job": job}
            known = job in self.runs
            self.runs.setdefault(job, "queued")
            return (409 if known else 200), {"dag_run_id": job}
        job = path.removeprefix(f"{RUNS}/")
        if job not in self.runs:
            return 404, {"detail": "not found"}
        if method == "PATCH":
            self.runs[job] = body["state"]
        return 200, {"dag_run_id": job, "state": self.runs[job]}


@contextmanager
def serve() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, told = stand_in.answer(self.command, self.path, body, self.headers.get("authorization", ""))
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()
