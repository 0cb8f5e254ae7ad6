"""The Caddyfile with the environment that compose gives it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CADDY = Path(sys.executable).with_name("caddyserver")


def caddy(action: str, environment: dict[str, str], tmp_path: Path) -> str:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [CADDY, action, "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"]
    done = subprocess.run(
        command, check=False, env={"PATH": os.environ["PATH"]} | home | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(node: object, key: str) -> list[object]:
    """Every value of `key`, at any depth."""
    if isinstance(node, list):
        return [found for child in node for found in values(child, key)]
    if isinstance(node, dict):
        own = [node[key]] if key in node else []
        return own + [found for child in node.values() for found in values(child, key)]
    return []


@pytest.mark.parametrize(("address", "port"), [(":80", ":80"), ("https://sen2extract.example.org", ":443")])
def test_it_routes_to_the_services_of_compose(services, tmp_path, address, port):
    environment = services["gateway"]["environment"] | {"GATEWAY_ADDRESS": address}
    caddy("validate", environment, tmp_path)
    server = next(iter(json.loads(caddy("adapt", environment, tmp_path))["apps"]["http"]["servers"].values()))
    assert {listen.removeprefix("0.0.0.0").removeprefix("tcp4/0.0.0.0") for listen in server["listen"]} == {port}
    dialled = {str(dial) for dial in values(server, "dial")}
    assert dialled == {"stac:8000", "tiler:8000", "minio:9000"}
    for dial in dialled:
        name, number = dial.split(":")
        assert number in services[name]["command"] or f":{number}" in services[name]["command"]


def test_the_gateway_of_compose_is_the_one_tested_here(services):
    version = subprocess.run([CADDY, "version"], capture_output=True, text=True, check=True).stdout.split()[0]
    assert services["gateway"]["image"] == f"caddy:{version.removeprefix('v')}-alpine"


def test_it_is_told_every_name_it_asks_for(services):
    import re

    asked = set(re.findall(r"\{\$([A-Z0-9_]+)", (ROOT / "deploy" / "Caddyfile").read_text()))
    assert asked == set(services["gateway"]["environment"])
