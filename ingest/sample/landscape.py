"""The sample landscape: a lowland like Cambodia's as a function of ground coordinates (UTM, metres) and date.

A great river with lakes and a flood plain that fills in the monsoon, rice parcels each with its own calendar, evergreen
forest on the high ground, dry shrub land between, towns and villages.
"""

from dataclasses import dataclass
from datetime import date
from math import cos, pi, radians

import numpy as np

from ingest.sample.grid import Grid
from ingest.sample.noise import F32, Ints, fractal, hashed, seed_of, smooth, step

_LAKES = ((561_000.0, 1_322_000.0, 15_000.0, 9_000.0), (533_000.0, 1_236_000.0, 8_000.0, 12_000.0))
"""Centre and half-axes in metres."""

_PEAK_FLOOD = 275
_PARCEL = (900.0, 600.0)
_VILLAGE_CELL = 9_000.0


@dataclass(frozen=True, kw_only=True)
class Terrain:
    """What does not change with the date; every field has the shape of the grid it was made for."""

    height: F32
    """Metres above the river's dry-season level, near water; large elsewhere."""
    lake: F32
    """1 in the lakes' basins, 0 in the river's."""
    forest: F32
    built: F32
    rice: F32
    calendar: F32
    """Day of the year of the parcel's wet-season transplanting."""
    second: F32
    """1 where a dry-season crop follows."""
    vigour: F32
    texture: F32
    soil: F32
    """Share of bare soil in what is not green."""


def terrain(grid: Grid, seed: int) -> Terrain:
    """The static part of the landscape on a grid."""
    relief = fractal(grid, 26_000, 7, seed_of(seed, "relief"), gain=0.6)
    height, lake = _height(grid, relief, seed)
    upland = step(relief + step(height, 8, 30) * np.float32(0.3), 0.75, 1.05)
    i, j = _parcels(grid, seed)
    parcel = [hashed(i, j, seed_of(seed, "parcel", n)) for n in range(4)]
    patches = step(fractal(grid, 12_000, 4, seed_of(seed, "fields")), -1.0, -0.6)
    irrigated = step(fractal(grid, 17_000, 4, seed_of(seed, "canals")) - height * np.float32(0.04), -0.4, 0.2)
    fine = fractal(grid, 700, 2, seed_of(seed, "texture"))
    return Terrain(
        height=height,
        lake=lake,
        forest=upland,
        built=_settlements(grid, seed) * (1 - upland) * step(height, 1, 4),
        rice=(1 - upland) * patches * step(parcel[3], 0.06, 0.10),
        calendar=np.float32(182) + 40 * (parcel[0] - np.float32(0.5)) + 20 * smooth(grid, (22_000, 22_000), seed),
        second=(parcel[1] < irrigated * np.float32(0.85)).astype(np.float32),
        vigour=np.float32(0.82) + np.float32(0.18) * parcel[2],
        texture=1 + np.float32(0.025) * fine + np.float32(0.06) * (parcel[2] - np.float32(0.5)),
        soil=np.clip(np.float32(0.25) + np.float32(0.5) * parcel[3] + np.float32(0.08) * fine, 0, 1),
    )


def cover(ground: Terrain, day: date) -> dict[str, F32]:
    """Shares of the materials of `spectra.MATERIALS` on a date; they add up to 1 in every pixel."""
    water = step(water_level(day) - ground.height, -0.6, 0.6)
    green, wet = _rice(ground, day)
    wildness = np.float32(0.50 - 0.30 * cos(2 * pi * (day.timetuple().tm_yday - 60) / 365.25))
    dry_land = (1 - water) * (1 - ground.built)
    rice = dry_land * ground.rice
    rest = dry_land * np.clip(1 - ground.rice - ground.forest, 0, 1)
    bare = rice * (1 - green - wet) + rest * (1 - wildness)
    return {
        "river": water * (1 - ground.lake),
        "lake": water * ground.lake,
        "flooded": rice * wet,
        "rice": rice * green,
        "forest": dry_land * ground.forest,
        "shrub": rest * wildness,
        "straw": bare * (1 - ground.soil),
        "soil": bare * ground.soil,
        "built": (1 - water) * ground.built,
    }


def water_level(day: date) -> float:
    """Water level in metres above the dry season's: lowest in April, 7.5 m in early October."""
    season = 0.5 + 0.5 * cos(2 * pi * (day.timetuple().tm_yday - _PEAK_FLOOD) / 365.25)
    return 7.5 * season**2


def _height(grid: Grid, relief: F32, seed: int) -> tuple[F32, F32]:
    """Height above the dry-season water, and which of the two waters is nearer."""
    y = grid.y
    course = 521_000 + 9_000 * np.sin(y / 19_000) + 3_500 * np.sin(y / 7_100 + 1) + 1_200 * np.sin(y / 2_900)
    shore = fractal(grid, 6_500, 5, seed_of(seed, "shore"), gain=0.6)
    slope = 9 / 19 * np.cos(y / 19_000) + 35 / 71 * np.cos(y / 7_100 + 1) + 12 / 29 * np.cos(y / 2_900)
    bank = np.abs(grid.x[None, :] - course[:, None]) / np.sqrt(1 + slope**2)[:, None]
    river = ((bank - 700) / 750).astype(np.float32) + np.float32(0.12) * shore
    lakes = np.full(grid.shape, np.inf, np.float32)
    for cx, cy, rx, ry in _LAKES:
        radius = np.hypot(((grid.x - cx) / rx)[None, :], ((y - cy) / ry)[:, None])
        np.minimum(lakes, ((radius - 0.62) * 14).astype(np.float32) + np.float32(1.5) * shore, out=lakes)
    valley = np.minimum(river, lakes)
    # Banks are steep and the flood plain behind them flat, with hollows: the noise grows with the distance.
    height = valley + shore * np.float32(2.2) * step(valley, -0.3, 6)
    return height + np.float32(2.5) * step(relief, 0.0, 1.2) * step(valley, 0, 4), step(river - lakes, -0.5, 0.5)


def _parcels(grid: Grid, seed: int) -> tuple[Ints, Ints]:
    """Indices of the field each pixel lies in: brick-like parcels along two directions, by region."""
    region = smooth(grid, (16_000, 16_000), seed_of(seed, "region")) > 0
    angle = np.where(region, radians(23), radians(-38))
    x, y = grid.x[None, :], grid.y[:, None]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    i = np.floor(across / _PARCEL[1]).astype(np.int64)
    offset = hashed(i, np.zeros_like(i), seed_of(seed, "rows")) * _PARCEL[0]
    j = np.floor((along + offset) / _PARCEL[0]).astype(np.int64)
    return i + np.where(region, 1_000_000, 0), j


def _settlements(grid: Grid, seed: int) -> F32:
    """Share of built ground: one settlement at most in each cell of a lattice, most of them small."""
    x, y = grid.x[None, :], grid.y[:, None]
    fuzz = np.clip(fractal(grid, 1_500, 3, seed_of(seed, "streets")) * np.float32(0.16), -0.25, 0.25)
    cell_i = np.floor(y / _VILLAGE_CELL).astype(np.int64)
    row_shift = hashed(cell_i, np.zeros_like(cell_i), seed_of(seed, "row")) * np.float32(_VILLAGE_CELL)
    cell_j = np.floor((x + row_shift) / _VILLAGE_CELL).astype(np.int64)
    size, shift_x, shift_y = (hashed(cell_i, cell_j, seed_of(seed, "town", n)) for n in range(3))
    # Centres keep 2.25 km from the cell's side, which is more than a town's 1.35 radii: it never reaches the next cell.
    centre_x = (cell_j + 0.25 + 0.5 * shift_x) * _VILLAGE_CELL - row_shift
    centre_y = (cell_i + 0.25 + 0.5 * shift_y) * _VILLAGE_CELL
    radius = np.where(size < np.float32(0.3), np.float32(1), 350 + 1_300 * size**8)
    distance = np.hypot(x - centre_x, y - centre_y) / radius
    return step((1 - distance + fuzz).astype(np.float32), -0.1, 0.5) * np.float32(0.9)


def _rice(ground: Terrain, day: date) -> tuple[F32, F32]:
    """Shares of green and of standing water in the rice fields."""
    today = np.float32(day.timetuple().tm_yday)
    green, wet = np.zeros_like(ground.calendar), np.zeros_like(ground.calendar)
    for delay, share in ((0, np.float32(1)), (165, ground.second)):
        age = (today - ground.calendar - np.float32(delay) + np.float32(120)) % np.float32(365.25) - np.float32(120)
        green += share * ground.vigour * step(age, 8, 60) * (1 - step(age, 88, 118))
        wet += share * step(age, -22, -8) * (1 - step(age, 15, 55))
    return np.clip(green, 0, 1), np.clip(wet, 0, 1) * np.float32(0.85) * (1 - np.clip(green, 0, 1))
