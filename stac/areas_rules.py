"""Rules of retention, as JSON and as people write them: `l1c:age=90,cloud=80; l2a:superseded=30`. Pure."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

type RuleLevel = Literal["l1c", "l2a", "indices"]

_LONGEST = 36500
_FORM = "level:condition,… such as l1c:age=90,cloud=80 or l2a:superseded=30,only_copy"


class Rule(BaseModel):
    """Which products of a level go: those that meet every condition given. Raises `pydantic.ValidationError`.

    The only copy of an acquisition stays unless `only_copy` says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: RuleLevel
    age: int | None = Field(default=None, ge=0, le=_LONGEST, description="days since it was acquired, at least")
    cloud: float | None = Field(
        default=None, ge=0, le=100, description="more cloud cover than this, per cent; unknown cover is not more"
    )
    superseded: int | None = Field(
        default=None, ge=0, le=_LONGEST, description="days since a newer product of its acquisition came, at least"
    )
    only_copy: bool = Field(default=False, description="even if nothing else is held of the acquisition")

    @model_validator(mode="after")
    def _need_a_condition(self) -> "Rule":
        if self.age is None and self.cloud is None and self.superseded is None:
            raise ValueError("name age, cloud or superseded; age=0 means every product")
        return self

    def __str__(self) -> str:
        given = {"age": self.age, "cloud": self.cloud, "superseded": self.superseded}
        conditions = [f"{name}={value:g}" for name, value in given.items() if value is not None]
        return f"{self.level}:{','.join([*conditions, *(['only_copy'] if self.only_copy else [])])}"


def parse_rules(text: str) -> list[Rule]:
    """The rules of a text, separated by `;`; an empty one, or `none`, has none. Raises `ValueError`."""
    if text.strip().lower() in ("", "none"):
        return []
    return [_rule(part) for part in text.split(";") if part.strip()]


def show_rules(rules: Iterable[Rule]) -> str:
    """The text that `parse_rules` reads back."""
    return "; ".join(map(str, rules)) or "none"


def _rule(text: str) -> Rule:
    level, _, conditions = (part.strip().lower() for part in text.partition(":"))
    values: dict[str, Any] = {"level": level}
    for condition in filter(None, map(str.strip, conditions.split(","))):
        name, given, value = (part.strip() for part in condition.replace("-", "_").partition("="))
        values[name] = value if given else name == "only_copy" or None
    try:
        return Rule.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{text.strip()!r} is no rule of retention ({_FORM}): {faults(error, 'rule')}") from error


def faults(error: ValidationError, whole: str) -> str:
    """What is wrong with each field; with all of them together, under the name of the `whole`."""
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or whole}: {each['msg']}" for each in error.errors())
