"""The deployment's files as data: compose with its variables filled in, `.env.example`, the Dockerfile."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z0-9_]+)(?:(?P<kind>:[-?])(?P<text>[^}]*))?\})")
_LINE = re.compile(r"^(?P<off># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")


@dataclass(frozen=True)
class Variable:
    """A variable that compose reads: whether compose refuses to start without it, and its default."""

    name: str
    required: bool
    default: str | None


@dataclass(frozen=True)
class Documented:
    """A line of `.env.example`: an empty one to fill in, or a default, commented out."""

    name: str
    required: bool
    value: str
    explained: bool


def variables(text: str) -> list[Variable]:
    """Every `${NAME}` of a compose file, in its order."""
    found = (match for match in _VARIABLE.finditer(text) if match["name"])
    return [
        Variable(match["name"], match["kind"] == ":?", match["text"] if match["kind"] == ":-" else None)
        for match in found
    ]


def interpolate(text: str, values: dict[str, str]) -> str:
    """Fill in variables as compose does; raises `KeyError` for a required one without a value."""

    def replace(match: re.Match[str]) -> str:
        if not match["name"]:
            return "$"
        if match["name"] in values:
            return values[match["name"]]
        if match["kind"] == ":-":
            return str(match["text"])
        raise KeyError(match["name"])

    return _VARIABLE.sub(replace, text)


@pytest.fixture(scope="session")
def compose_text() -> str:
    lines = (DEPLOY / "compose.yaml").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


@pytest.fixture(scope="session")
def compose_variables(compose_text: str) -> list[Variable]:
    return variables(compose_text)


@pytest.fixture(scope="session")
def secrets(compose_variables: list[Variable]) -> dict[str, str]:
    """A value for every variable that compose requires, as an operator would set them."""
    values = {item.name: f"given-{item.name.lower()}" for item in compose_variables if item.required}
    return values | {"PUBLIC_URL": "https://sen2extract.example.org", "INBOX_DIR": "/srv/inbox"}


@pytest.fixture(scope="session")
def compose(compose_text: str, secrets: dict[str, str]) -> dict[str, Any]:
    """The compose file with variables filled in and anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load(interpolate(compose_text, secrets))
    return loaded


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = compose["services"]
    return named


@pytest.fixture(scope="session")
def documented() -> dict[str, Documented]:
    """What `.env.example` says of each variable."""
    result: dict[str, Documented] = {}
    explained = False
    for line in (DEPLOY / ".env.example").read_text().splitlines():
        match = _LINE.match(line)
        if match:
            assert match["name"] not in result, f"{match['name']} is documented twice"
            result[match["name"]] = Documented(match["name"], not match["off"], match["value"], explained)
        else:
            # one explanation may stand above several lines
            explained = line.startswith("# ") and not line.startswith("# ----")
    return result
