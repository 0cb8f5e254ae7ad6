"""The processes of the embedded stack are started again when they end, up to a point, wherever its folder is."""

import json
import os
import signal
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server

import caretaker
import manager
import processes
import pytest
import stack as embedded
import status
from environment import PORTS, WEED_OFFSETS, load
from waiting import wait_for

PATIENCE = 120


@pytest.fixture(scope="module")
def stack(tmp_path_factory, free_port):
    """A stack's manager, in a folder whose name is long and holds all that a configuration might trip over."""
    home = tmp_path_factory.mktemp("stack") / f'Ünter %(here)s ; "x\'s" {"langer " * 12}Pfad'
    ports = {name: str(free_port(WEED_OFFSETS.values() if "S3" in name else ())) for name in PORTS}
    stack = load({"SEN2EXTRACT_HOME": str(home), "PATH": os.environ["PATH"], **ports})
    manager.start(stack)
    yield stack
    manager.stop(stack)
    assert not manager.pid(stack)


def state(stack, name):
    return manager.states(stack)[name]


def kill(stack, name):
    before = state(stack, name)
    os.kill(before.pid, signal.SIGKILL)
    return before


def test_a_process_that_is_killed_is_started_again_and_counted(stack):
    manager.run(stack, "caretaker")
    manager.run(stack, "caretaker")  # once is enough
    before = kill(stack, "caretaker")
    wait_for(lambda: state(stack, "caretaker").pid not in {0, before.pid}, "the caretaker", PATIENCE)
    now = state(stack, "caretaker")
    assert (now.state, now.restarts) == ("running", before.restarts + 1)
    assert state(stack, "gateway").state == "stopped"


def test_one_that_cannot_start_is_given_up_and_named_and_the_others_stay(stack):
    manager.run(stack, "caretaker")
    port = stack.ports["SEN2EXTRACT_PORT"]
    with create_server(("127.0.0.1", port)):
        manager.run(stack, "gateway")
        wait_for(lambda: state(stack, "gateway").state == "restarting", "another try", PATIENCE)
        assert "about to be started again" in status.told(stack, manager.states(stack).values())
        wait_for(lambda: state(stack, "gateway").state == "gave up", "the end of trying", PATIENCE)
    told = status.told(stack, manager.states(stack).values())
    assert "gateway ended again and again" in told
    assert "`make up` starts it" in told
    assert "address already in use" in told
    rows = {row["name"]: row for row in json.loads(status.document(stack, manager.states(stack).values()))["processes"]}
    assert (rows["gateway"]["state"], rows["gateway"]["restarts"]) == ("gave up", 5)
    assert (rows["caretaker"]["state"], rows["stac"]["state"]) == ("running", "stopped")
    manager.run(stack, "gateway")
    wait_for(lambda: processes.taken([port]) == [port], "the gateway", PATIENCE)
    assert state(stack, "gateway").state == "running"


def test_it_listens_on_a_socket_of_its_own_user_and_on_no_port(stack):
    socket = stack.run / "supervisor.sock"
    assert len(os.fsencode(socket)) > 107
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(stack.run.stat().st_mode) == 0o700
    opened = [path.readlink().name for path in Path(f"/proc/{manager.pid(stack)}/fd").iterdir()]
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in opened if name.startswith("socket:")}
    assert inodes
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        assert inodes.isdisjoint(row.split()[9] for row in rows)


def test_what_a_killed_manager_left_is_stopped_by_the_next(stack):
    manager.run(stack, "gateway")
    port = stack.ports["SEN2EXTRACT_PORT"]
    wait_for(lambda: processes.taken([port]) == [port], "the gateway", PATIENCE)
    left = state(stack, "gateway").pid
    os.kill(manager.pid(stack), signal.SIGKILL)
    wait_for(lambda: manager.pid(stack) == 0, "the end of the manager")
    assert state(stack, "gateway").state == "stopped"
    assert processes.started(left)
    manager.start(stack)
    assert not processes.started(left)
    assert processes.taken([port]) == []
    assert state(stack, "gateway").state == "stopped"


def test_a_pid_from_before_the_machine_was_started_is_nobodys(stack, tmp_path):
    other = load({**stack.env, "SEN2EXTRACT_HOME": str(tmp_path)})
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as innocent:
        known = f"{innocent.pid} {processes.started(innocent.pid)}"
        (other.run / "manager.pid").write_text(f"{known} 00000000-0000-0000-0000-000000000000")
        assert manager.pid(other) == 0
        manager.stop(other)
        # And one that another process has by now.
        (other.run / "manager.pid").write_text(f"{innocent.pid} 17 {processes.boot()}")
        assert manager.pid(other) == 0
        manager.stop(other)
        assert innocent.poll() is None
        innocent.kill()


def test_settings_that_changed_are_seen(stack):
    """What is started again has the settings of the manager: with others, all has to be started anew."""
    assert embedded.changed(replace(stack, env={**stack.env, "COLUMNS": "80"})) == []
    other = {**stack.env, "TILER_THREADS": "1", "PGPORT": "1"}
    assert embedded.changed(replace(stack, env=other)) == ["PGPORT", "TILER_THREADS"]


def test_a_large_log_is_put_aside_while_it_is_written_to(tmp_path):
    log = tmp_path / "tiler.log"
    (tmp_path / "small.log").write_text("little")
    with log.open("a") as file:
        print("much " * 100, file=file, flush=True)
        assert caretaker.rotate(tmp_path, large=100) == [log]
        print("new", file=file, flush=True)
    assert log.read_text() == "new\n"
    assert (tmp_path / "tiler.log.1").read_text().startswith("much")
    assert caretaker.rotate(tmp_path, large=100) == []


def test_a_part_of_airflow_that_hangs_is_found_when_the_database_answers(stack):
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    idle = {name: replace(state, pid=0) for name, state in manager.states(stack).items()}
    aged = {**idle, "airflow-scheduler": replace(idle["airflow-scheduler"], state="running", pid=7, uptime=3600)}
    health = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"latest_scheduler_heartbeat": (now - timedelta(minutes=9)).isoformat()},
        "triggerer": {"latest_triggerer_heartbeat": None},
    }
    assert caretaker.silent(health, aged.values(), now) == {7}
    assert caretaker.silent(health, aged.values(), now - timedelta(minutes=8)) == set()
    young = {**aged, "airflow-scheduler": replace(aged["airflow-scheduler"], uptime=5)}
    assert caretaker.silent(health, young.values(), now) == set()
    assert caretaker.silent({**health, "metadatabase": {"status": "unhealthy"}}, aged.values(), now) == set()
    assert caretaker.silent({}, aged.values(), now) == set()


def test_idle_orphans_are_found_and_busy_ones_left():
    """A worker of a process that was killed idles for ever; one at a task ends with it."""
    idle, busy = "sleep 600 &", "sh -c 'sleep 600; :' &"
    with subprocess.Popen(["sh", "-c", f'sh -c "{idle} {busy}"; sleep 600'], start_new_session=True) as leader:
        wait_for(lambda: len(processes.family(leader.pid)) == 5, "its processes")
        found = processes.orphans(leader.pid)
        assert len(found) == 1
        for row in found:
            os.kill(row.pid, signal.SIGKILL)
        wait_for(lambda: len(processes.family(leader.pid)) == 4, "the end of one")
        assert processes.orphans(leader.pid) == set()
        processes.stop(leader.pid, patience=0)
