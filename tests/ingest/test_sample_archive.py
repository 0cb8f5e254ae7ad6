"""The demo archive: what is in it, and that writing it twice is writing it once."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from ingest.sample import demo_archive, demo_orders
from stac.naming import ProductName

SMALL = {"size": 96, "dates": [date(2025, 6, 1), date(2026, 4, 20)], "workers": 2}


def test_the_default_archive_spans_more_than_a_year_of_two_tiles():
    orders = demo_orders()
    specs = [order.spec for order in orders]
    surface = [spec for spec in specs if spec.level == "L2A"]
    assert 65 <= len(surface) <= 85
    assert Counter(spec.tile for spec in surface) == {"48PWU": len(surface) // 2, "48PWT": len(surface) // 2}
    recent = sorted({spec.sensing.date() for spec in surface})
    assert recent[-1] - recent[0] >= timedelta(days=395)
    assert {spec.platform for spec in surface} == {"S2A", "S2B", "S2C"}
    assert {spec.baseline for spec in surface} == {"05.11", "05.12"}
    assert len({order.spec.name for order in orders}) == len(orders)
    assert sum(order.zipped for order in orders) == 2


def test_passes_keep_the_cycles_of_the_orbits():
    for order in demo_orders(step=1):
        spec = order.spec
        days = (spec.sensing.date() - date(2025, 1, 5)).days
        assert days % 5 == {75: 0, 118: 3}[spec.relative_orbit]
        assert (spec.swath_edge is not None) == (spec.relative_orbit == 118)


def test_every_l1c_has_its_l2a():
    specs = [order.spec for order in demo_orders()]
    level_one = [spec for spec in specs if spec.level == "L1C"]
    assert len(level_one) == 2
    surface = {(spec.datatake_id, spec.tile, spec.absolute_orbit) for spec in specs if spec.level == "L2A"}
    assert {(spec.datatake_id, spec.tile, spec.absolute_orbit) for spec in level_one} <= surface


def test_writing_again_writes_nothing(tmp_path):
    calls: list[tuple[str, int, int]] = []

    def note(path: Path, done: int, total: int) -> None:
        calls.append((path.name, done, total))

    first = demo_archive(tmp_path, progress=note, **SMALL)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(path.name for path in first)
    assert [done for _, done, _ in calls] == list(range(1, len(first) + 1))
    for path in first:
        ProductName.parse(path.name)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    assert demo_archive(tmp_path, progress=note, **SMALL) == first
    assert len(calls) == len(first)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
