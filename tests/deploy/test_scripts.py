"""Shell scripts pass shellcheck; what starts the embedded stack says what is in its way."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from socket import create_server

import manager  # deploy/local, which the root conftest puts on the path
import postgres as pg
import pytest
import ready
import room
from environment import PORTS, WEED_OFFSETS, load

ROOT = Path(__file__).resolve().parents[2]


def test_shellcheck_finds_nothing():
    listed = subprocess.run(["git", "ls-files", "*.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    scripts = sorted({*listed.stdout.split(), "deploy/postgres/init-roles.sh"})
    command = [Path(sys.executable).with_name("shellcheck"), "--severity=style", *scripts]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def environ(tmp_path, free_port):
    ports = {name: str(free_port(WEED_OFFSETS.values())) for name in PORTS}
    return {"SEN2EXTRACT_HOME": str(tmp_path), "PATH": os.environ["PATH"], **ports}


def test_other_ports_are_remembered(environ):
    first = load(environ)
    again = load({"SEN2EXTRACT_HOME": environ["SEN2EXTRACT_HOME"]})
    assert again.ports == first.ports
    assert again.url == f"http://127.0.0.1:{environ['SEN2EXTRACT_PORT']}"


def test_servers_elsewhere_are_remembered_until_others_are_given(environ):
    home = {"SEN2EXTRACT_HOME": environ["SEN2EXTRACT_HOME"]}
    ours = load(environ)
    other = {"PGHOST": "db.example.org", "PGUSER": "me", "PGPASSWORD": "theirs"}
    store = {"S3_ENDPOINT": "http://s3.example.org", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    load({**home, **other, **store})
    again = load({**home, "AWS_ACCESS_KEY_ID": "of the moment"})
    assert not again.own_postgres
    assert not again.own_store
    assert {name: again.env[name] for name in (*other, *store)} == {**other, **store}
    assert manager.wanted(again)[0] == "stac"
    # Empty stands for our own, with the password that it was made with, and no longer with theirs.
    own = load({**home, "PGHOST": "", "S3_ENDPOINT": ""})
    assert own.own_postgres
    assert own.own_store
    assert {own.env[name] for name in ("PGHOST", "PGUSER", "PGPASSWORD")} == {
        ours.env[name] for name in ("PGHOST", "PGUSER", "PGPASSWORD")
    }
    assert own.env["AWS_SECRET_ACCESS_KEY"] not in {"", "s"}
    assert load(home).env == own.env


def test_ports_in_use_are_all_told_with_free_ones(environ):
    names = ("SEN2EXTRACT_PORT", "SEN2EXTRACT_S3_PORT")
    with ExitStack() as held:
        for name in names:
            socket = held.enter_context(create_server(("127.0.0.1", int(environ[name]))))
            assert socket.getsockname()[1] == int(environ[name])
        done = _stack("up", environ)
    assert done.returncode == 1
    for name in names:
        assert f"{environ[name]} ({name})" in done.stderr
        offered = int(done.stderr.split(f"{name}=")[1].split()[0])
        assert offered not in {int(environ[other]) for other in PORTS}
    assert _stack("status", environ).returncode == 1


def test_a_full_disk_is_named_before_anything_is_started(environ):
    stack = load(environ)
    room.refuse_none(stack, least=0)
    assert room.warning(stack, little=0) == ""
    with pytest.raises(ready.StackError, match=f"are left on the disk of {stack.home}: remove something"):
        room.refuse_none(stack, least=10**18)
    assert str(stack.home) in room.warning(stack, little=10**18)


def test_a_server_elsewhere_that_refuses_says_why(postgres, environ):
    wrong = {**postgres, "PGPASSWORD": "wrong"}
    assert pg.answers(wrong)
    with pytest.raises(pg.PostgresError, match="password authentication failed"):
        pg.ensure_database(wrong, "nobodys")
    assert not pg.answers({**postgres, "PGPORT": environ["SEN2EXTRACT_PG_PORT"]})


def test_an_administrators_packages_are_told_at_once(tmp_path):
    """What a user without rights sees on a machine that has no more than Python."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "mkdir", "flock"):
        (tools / name).symlink_to(shutil.which(name) or name)
    for name, code in (("python3", 1), ("id", 0)):
        (tools / name).write_text(f"#!/bin/sh\necho 1000\nexit {code}\n")
        (tools / name).chmod(0o755)
    env = {"PATH": str(tools), "HOME": str(tmp_path), "SEN2EXTRACT_HOME": str(tmp_path / "home")}
    done = subprocess.run([ROOT / "deploy/local/setup.sh"], env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sudo apt-get install python3-venv postgresql-postgis" in done.stderr


def _stack(command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, ROOT / "deploy/local/stack.py", command]
    return subprocess.run(words, env=env, check=False, capture_output=True, text=True)
