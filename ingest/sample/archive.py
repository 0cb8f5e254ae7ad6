"""A small archive to try the whole system on: two neighbouring tiles in Cambodia over more than a year."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from multiprocessing import get_context
from pathlib import Path

from ingest.sample.product import product_path, write_product
from ingest.sample.spec import ProductSpec, Unit, swath_through

TILES = ("48PWU", "48PWT")
START = date(2025, 4, 5)
END = date(2026, 5, 10)
STEP = 12
SIZE = 1098

_CYCLE = 5
_MAIN_ORBIT, _EDGE_ORBIT = 75, 118
_EDGE_DELAY = 3
"""Days after relative orbit 75 on which 118 comes by: 43 orbits at 14.3 a day."""

_FIRST_PASS = date(2025, 1, 5)
_NEW_BASELINE = date(2026, 4, 1)
_L1C_AT = (4, 20)
_ZIPPED_AT = (7, 25)


@dataclass(frozen=True)
class Order:
    """A product to write, and whether as a zip."""

    spec: ProductSpec
    zipped: bool = False


def demo_archive(
    folder: Path,
    *,
    size: int = SIZE,
    dates: Iterable[date] | None = None,
    start: date = START,
    end: date = END,
    step: int = STEP,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[Path, int, int], None] | None = None,
) -> list[Path]:
    """Write the demo archive into `folder` and return the products' paths in the order of `demo_orders`.

    What is there already is left alone, so that a second call is quick and a broken-off one goes on. `progress` is
    called after each product with its path, the number done and the number of all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders = demo_orders(size=size, dates=dates, start=start, end=end, step=step, seed=seed)
    paths = [product_path(order.spec, folder, zipped=order.zipped) for order in orders]
    missing = [order for order, path in zip(orders, paths, strict=True) if not path.exists()]
    done = len(orders) - len(missing)
    if not missing:
        return paths
    # Not forked: the caller may run threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(write_product, order.spec, folder, zipped=order.zipped) for order in missing]
        for number, future in enumerate(as_completed(running), done + 1):
            path = future.result()
            if progress is not None:
                progress(path, number, len(orders))
    return paths


def demo_orders(
    *,
    size: int = SIZE,
    dates: Iterable[date] | None = None,
    start: date = START,
    end: date = END,
    step: int = STEP,
    seed: int = 0,
) -> list[Order]:
    """The products of the demo archive.

    L2A of both tiles at the satellite passes nearest to `dates`, or to every `step` days from `start` to `end`: S2A,
    S2B and S2C, baselines 05.11 and 05.12, two relative orbits of which one sees only part of the tiles. Two of them
    come with their L1C, two are zipped.
    """
    if dates is None:
        dates = [start + timedelta(number) for number in range(0, (end - start).days + 1, step)]
    passes = sorted({_nearest_pass(day) for day in dates})
    orders = [
        Order(replace(_base(day, tile), size=size, seed=seed), zipped=index in _ZIPPED_AT and tile == TILES[0])
        for index, day in enumerate(passes)
        for tile in TILES
    ]
    level_one = [
        Order(replace(_base(passes[index], TILES[0]), size=size, seed=seed, level="L1C"))
        for index in _L1C_AT
        if index < len(passes)
    ]
    return [*orders, *level_one]


def _nearest_pass(day: date) -> date:
    """The day nearest to `day` on which the tiles are seen; the edge of orbit 118 only if it spares two days."""
    nearby = [day + timedelta(shift) for shift in range(-_CYCLE, _CYCLE + 1)]
    return min(
        (candidate for candidate in nearby if _orbit(candidate) is not None),
        key=lambda candidate: (abs((candidate - day).days) + (_orbit(candidate) == _EDGE_ORBIT), candidate),
    )


def _orbit(day: date) -> int | None:
    phase = (day - _FIRST_PASS).days % _CYCLE
    return {0: _MAIN_ORBIT, _EDGE_DELAY: _EDGE_ORBIT}.get(phase)


def _base(day: date, tile: str) -> ProductSpec:
    on_edge = _orbit(day) == _EDGE_ORBIT
    clock = time(3, 21, 21, 24_000, UTC) if on_edge else time(3, 11, 21, 24_000, UTC)
    return ProductSpec(
        tile=tile,
        platform=_platform(day),
        sensing=datetime.combine(day, clock),
        baseline="05.12" if day >= _NEW_BASELINE else "05.11",
        relative_orbit=_EDGE_ORBIT if on_edge else _MAIN_ORBIT,
        # One line for both tiles: the swath's edge does not stop at a tile's border.
        swath_edge=swath_through(TILES[0], 0.80) if on_edge else None,
    )


def _platform(day: date) -> Unit:
    number = (day - _FIRST_PASS).days // _CYCLE
    if number % 2:
        return "S2B"
    # S2C took S2A's place in January 2025; S2A still flies, and a few of its passes are kept.
    return "S2A" if number % 8 == 0 else "S2C"
