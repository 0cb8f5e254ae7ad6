"""A series as CSV, or as the CSV that a spreadsheet of another language opens by a double click. Pure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tiler.series.rows import Series
from tiler.series.tables import DIGITS, Table, to_table

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MARK = "\ufeff"
_TIMES = ("datetime", "end")


def to_csv(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """RFC 4180 in UTF-8; text that a spreadsheet would run as a formula is quoted with an apostrophe.

    `profile=excel`: `;` between cells, decimal comma, times that Excel takes for times, and the byte order mark without
    which it does not see that the file is UTF-8.
    """
    del links
    table = to_table(series)
    excel = series.request.profile == "excel"
    return csv_text(table, excel=excel).encode()


def csv_text(table: Table, *, excel: bool = False, head: bool = True) -> str:
    """The table as text; without its `head` where it goes on with another."""
    times = {place for place, name in enumerate(table.columns) if excel and name in _TIMES}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n", delimiter=";" if excel else ",")
    if head:
        text.write(_MARK if excel else "")
        writer.writerow([_cell(column) for column in table.columns])
    for row in table.rows:
        cells = [_day_and_time(cell) if place in times else cell for place, cell in enumerate(row)]
        writer.writerow([_with_comma(cell) if excel else _cell(cell) for cell in cells])
    return text.getvalue()


def _day_and_time(cell: Any) -> Any:
    """To the second: with a fraction after a point, a spreadsheet that writes commas takes the time for a text."""
    return cell.replace("T", " ").removesuffix("Z").partition(".")[0] if isinstance(cell, str) else cell


def _with_comma(value: Any) -> Any:
    return str(_cell(value)).replace(".", ",") if isinstance(value, float) else _cell(value)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
