"""A run that failed is told by mail and by webhook: to real servers on loopback."""

import email
import json
import threading
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

pytestmark = [
    pytest.mark.usefixtures("airflow_database", "environment", "dag_processor"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def dag_processor():
    """What callbacks find in the DAG processor: somebody who answers questions of tasks and results."""
    import os

    import psutil
    import structlog
    from airflow.sdk.execution_time.supervisor import (
        InProcessSupervisorComms,
        InProcessTestSupervisor,
        set_supervisor_comms,
    )
    from uuid6 import uuid7

    supervisor = InProcessTestSupervisor(
        id=uuid7(),
        pid=os.getpid(),
        process=psutil.Process(),
        process_log=structlog.get_logger(),
        client=InProcessTestSupervisor._api_client(),
    )
    supervisor.comms = InProcessSupervisorComms(supervisor=supervisor)
    with set_supervisor_comms(supervisor.comms):
        yield


class Mailbox:
    """What the mail server was handed."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@pytest.fixture
def mailbox(free_port, monkeypatch):
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "archive@example.org", "to": "ops@example.org"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    yield mailbox.mails
    server.stop()


@pytest.fixture
def webhook(monkeypatch):
    told = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = [{"path": f"json://127.0.0.1:{server.server_port}/hook", "tag": "alerts"}]
        connection = {"conn_type": "apprise", "extra": {"config": config}}
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))
        yield told
        server.shutdown()


@pytest.fixture
def broken(archive, tmp_path):
    """An inbox with one product that lacks an image, in a folder whose name is a template."""
    from shutil import copytree

    place = tmp_path / "{{ dag.dag_id }} <b>"
    copytree(archive[0], place / archive[0].name)
    next(place.rglob("*_B04_10m.jp2")).unlink()
    return place


def run(bag, inbox):
    ended = bag.dags["ingest_products"].test(run_conf={"inbox": str(inbox), "batch_size": 1})
    return str(ended.state), ended.run_id


def test_a_run_that_failed_tells_dag_run_products_and_reasons(bag, broken, mailbox, webhook, archive):
    state, run_id = run(bag, broken)
    assert state == "failed"
    ((to, mail),) = mailbox
    assert to == ["ops@example.org"]
    assert mail["subject"] == "Sen2Extract: ingest_products failed"
    (told,) = webhook
    assert (told["title"], told["type"]) == (mail["subject"], "failure")
    body = mail.get_body(("html",)).get_content()
    for text in (body, told["message"]):
        assert f"DAG ingest_products, run {run_id}: failed" in text.replace("&#x27;", "'")
        assert "1 products: 1 invalid" in text
        assert archive[0].stem in text
        assert "B04" in text
        assert "/dags/ingest_products/runs/" in text
    assert "<b>" not in body


def test_a_run_that_succeeded_tells_nothing(bag, tmp_path, mailbox, webhook):
    assert run(bag, tmp_path)[0] == "success"
    assert (mailbox, webhook) == ([], [])


def test_without_a_mail_server_the_webhook_is_told_all_the_same(bag, tmp_path, webhook, free_port, monkeypatch):
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "a@b", "to": "c@d", "retry_limit": 0}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": free_port(), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    assert run(bag, tmp_path / "nowhere")[0] == "failed"
    (told,) = webhook
    assert "others: failed, the task that was to list" in told["message"]
    assert "tasks that failed: discover" in told["message"]


def test_without_connections_nobody_is_told_and_the_run_ends_as_it_would(bag, tmp_path):
    assert run(bag, tmp_path / "nowhere")[0] == "failed"
