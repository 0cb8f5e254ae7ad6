"""Days as people write them: absolute, or counted back from the day on which they are read. Standard library only."""

import re
from datetime import date, timedelta

_RELATIVE = re.compile(r"today(?:\s*-\s*(\d{1,5}))?", re.IGNORECASE)


def parse_day(text: str, today: date) -> date:
    """`2026-01-31`, `today` or `today-30`; raises `ValueError`."""
    if match := _RELATIVE.fullmatch(text.strip()):
        return today - timedelta(days=int(match[1] or 0))
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no day: expected the form 2026-01-31, today or today-30") from error
