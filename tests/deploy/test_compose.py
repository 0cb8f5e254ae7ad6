"""`deploy/compose.yaml`: valid by the specification, and the rules that a production file has to keep."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest
import typer
import yaml

from ingest.cli import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ONE_SHOT = {"migrate", "bucket", "airflow-init"}
PUBLISHING = {"gateway", "airflow-api"}
WORKERS = {"scheduler", "worker", "edge-worker"}
SECRET_WORDS = ("PASSWORD", "SECRET", "FERNET", "ACCESS_KEY", "SQL_ALCHEMY_CONN")
YAMLLINT = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"


def test_it_is_valid_by_the_compose_specification(compose, services):
    parsed = compose_spec.PyCompose.from_json(json.dumps(compose))
    assert set(parsed.services) == set(services)


def test_docker_compose_accepts_it(secrets):
    asked = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(asked, check=False, capture_output=True).returncode:
        pytest.skip(
            "no docker client with the compose plugin here; the specification's own parser has checked the file"
        )
    command = ["docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    subprocess.run(command, env=secrets | {"PATH": "/usr/bin:/usr/local/bin"}, check=True)


def test_yamllint_finds_nothing():
    files = [DEPLOY / "compose.yaml", ROOT / ".pre-commit-config.yaml"]
    command = [Path(sys.executable).with_name("yamllint"), "--strict", "--config-data", YAMLLINT, *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_image_is_pinned(services):
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, f"{name}: {service['image']} has no tag"
        assert re.search(r"\d", tag), f"{name}: {tag} is no version"
        assert "latest" not in tag


def test_our_images_are_built_from_targets_that_exist(services):
    stages = re.findall(r"^FROM .* AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"services", "airflow"}
    assert targets <= set(stages)
    for service in services.values():
        assert ("build" in service) == service["image"].startswith("sen2extract-")


def test_what_runs_on_has_a_health_check_and_what_ends_has_none(services):
    for name, service in services.items():
        check = service["healthcheck"]
        if name in ONE_SHOT:
            assert check == {"disable": True}
            assert service["restart"] == "no"
        else:
            assert check["test"][0] == "CMD", f"{name}: without a shell"
            assert {"interval", "timeout", "retries", "start_period"} <= set(check)
            assert service["restart"] == "unless-stopped"


def test_only_the_gateway_and_airflow_publish_ports(services):
    assert {name for name, service in services.items() if "ports" in service} == PUBLISHING
    assert all(port.startswith("127.0.0.1:") for port in services["airflow-api"]["ports"])


def test_only_those_that_need_the_outside_are_on_a_network_that_reaches_it(compose, services):
    outside = {name for name, network in compose["networks"].items() if not network.get("internal")}
    reaching = {name for name, service in services.items() if outside & set(service["networks"])}
    assert reaching == PUBLISHING | WORKERS | {"dag-processor"}  # downloads; who is told of failures
    assert "database" not in services["gateway"]["networks"]


def test_every_service_is_confined(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"]), name
    assert [name for name, service in services.items() if "cap_add" in service] == ["gateway"]


def test_no_secret_is_written_down(compose_text):
    for name, service in yaml.safe_load(compose_text)["services"].items():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in SECRET_WORDS) and not key.endswith("_FILE"):
                ours = (
                    key.startswith("INGEST_") and str(value) == f"${{{key}:-}}"
                )  # a provider's: not everybody has one
                assert ours or ":?" in str(value), f"{name}: {key} has to come from .env and to be required"


def test_a_missing_secret_stops_compose(compose_variables):
    required = {item.name for item in compose_variables if item.required}
    optional = {item.name for item in compose_variables if not item.required}
    secret = {name for name in required | optional if any(word in name for word in SECRET_WORDS)}
    assert {name for name in secret if not name.startswith("INGEST_")} <= required
    assert not required & optional


def test_dependencies_wait_for_what_they_need(services):
    for name, service in services.items():
        for other, terms in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert terms["condition"] == expected, f"{name} -> {other}"


def test_services_read_and_ingestion_writes(services):
    users = {name: service.get("environment", {}).get("PGUSER") for name, service in services.items()}
    assert users["stac"] == users["tiler"] == "sen2extract_reader"
    assert {users[name] for name in WORKERS} == {"sen2extract_writer"}
    assert [name for name, user in users.items() if user == "postgres"] == ["migrate"]


def test_what_is_mounted_from_the_tree_exists_and_cannot_be_written(services):
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                assert volume["read_only"] is (name not in WORKERS), name  # which run the downloads
            elif volume.startswith("./"):
                source, _, mode = volume.split(":")
                assert (DEPLOY / source).is_file(), volume
                assert mode == "ro"


def test_named_volumes_are_declared_and_used(compose, services):
    mounted = [item for service in services.values() for item in service.get("volumes", []) if isinstance(item, str)]
    used = {item.split(":")[0] for item in mounted if not item.startswith("./")}
    assert used == set(compose["volumes"])


def test_the_commands_of_our_images_exist(services):
    commands = [service["command"] for service in services.values() if service["image"].startswith("sen2extract-s")]
    ours = {command[1] for command in commands if command[0] == "sen2extract"}
    assert ours <= set(typer.main.get_command(app).commands)
    factories = [command[1] for command in commands if command[0] == "uvicorn"]
    assert len(factories) == 2
    for factory in factories:
        module, name = factory.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_executors_are_a_matter_of_profiles_and_one_variable(services):
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "valkey": ["celery"],
        "worker": ["celery"],
        "edge-worker": ["edge"],
    }
    for name in WORKERS:
        told = services[name]["environment"]
        assert told == services["scheduler"]["environment"]
        assert told["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


def test_the_pod_of_kubernetes_runs_our_image_with_a_disk_of_its_own():
    pod = yaml.safe_load((DEPLOY / "kubernetes" / "pod.yaml").read_text())
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "base"  # the name by which Airflow finds it
    assert container["image"].startswith("sen2extract-airflow:")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert told["INGEST_SHARES_DISK"] == "False"
    assert {volume["mountPath"] for volume in container["volumeMounts"]} >= {told["TMPDIR"], told["INGEST_INBOX"]}
    assert all("emptyDir" in volume for volume in pod["spec"]["volumes"])
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
    assert values["executor"] == "KubernetesExecutor"
