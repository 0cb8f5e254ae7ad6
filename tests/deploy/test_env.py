"""`.env.example`, the settings classes and compose name the same variables with the same defaults."""

import ast
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from ingest.sources import SourceSettings
from stac.settings import Settings, WriterSettings
from tiler.settings import TilerSettings

ROOT = Path(__file__).resolve().parents[2]
CLASSES: list[type[BaseSettings]] = [Settings, SourceSettings, WriterSettings, TilerSettings]

# Read by libpq, never by our code; compose sets them for each service.
LIBPQ = {"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"}


def names(settings: type[BaseSettings]) -> dict[str, str]:
    """Environment variable -> default, as it would stand in a file."""
    prefix = settings.model_config.get("env_prefix") or ""
    return {f"{prefix}{name}".upper(): text(field.default) for name, field in settings.model_fields.items()}


def text(default: object) -> str:
    return default.get_secret_value() if isinstance(default, SecretStr) else str(default)


def test_every_setting_is_documented_with_its_default(documented):
    for settings in CLASSES:
        for name, default in names(settings).items():
            assert name in documented, f"{settings.__name__}: describe {name} in deploy/.env.example"
            line = documented[name]
            if not line.required and name != "PUBLIC_URL":
                assert line.value == default, f"{name}: .env.example says {line.value!r}, the code {default!r}"


def test_every_documented_variable_is_used(documented, compose_variables, services):
    passed_on = {name for service in services.values() for name in service.get("environment", {})}
    known = {item.name for item in compose_variables} | {name for kind in CLASSES for name in names(kind)} | LIBPQ
    assert set(documented) <= known | passed_on, "remove what nothing reads, or read it"


def test_every_variable_of_compose_is_documented_alike(documented, compose_variables):
    for item in compose_variables:
        assert item.name in documented, f"describe {item.name} in deploy/.env.example"
        line = documented[item.name]
        assert line.required == item.required, f"{item.name}: required in one of the two files only"
        if not item.required:
            assert line.value == item.default, f"{item.name}: {line.value!r} documented, {item.default!r} in compose"


def test_every_variable_is_explained(documented):
    assert [name for name, line in documented.items() if not line.explained] == []


def test_required_variables_have_no_value_to_copy(documented):
    assert {name: line.value for name, line in documented.items() if line.required and line.value} == {}


def test_the_tiler_gets_its_settings_from_the_environment_of_compose(services):
    assert set(names(TilerSettings)) <= set(services["tiler"]["environment"])


def test_writers_are_configured_through_compose(services):
    assert set(names(WriterSettings)) <= set(services["stac"]["environment"])


def test_no_settings_class_is_forgotten():
    found = set()
    for package in ("stac", "ingest", "tiler"):
        for path in (ROOT / package).rglob("*.py"):
            if "node_modules" not in path.parts:
                found |= settings_classes(path)
    assert found == {kind.__name__ for kind in CLASSES}, "add it to CLASSES, and describe it in .env.example"


def settings_classes(path: Path) -> set[str]:
    classes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))
    return {node.name for node in classes if any("BaseSettings" in ast.unparse(base) for base in node.bases)}


@pytest.mark.parametrize("secret", ["", "minioadmin", "changeme", "PASSWORD"])
def test_a_known_secret_is_refused_where_users_are_not_local(secret, services):
    public = services["stac"]["environment"]["PUBLIC_URL"]
    with pytest.raises(ValidationError, match="AWS_SECRET_ACCESS_KEY"):
        Settings(public_url=public, aws_secret_access_key=SecretStr(secret))


def test_what_compose_gives_the_services_is_accepted(services, monkeypatch):
    for name, value in services["stac"]["environment"].items():
        monkeypatch.setenv(name, str(value))
    settings = Settings()
    assert settings.store_host == "minio:9000"
    assert settings.public_href("a.tif") == "https://sen2extract.example.org/data/a.tif"
