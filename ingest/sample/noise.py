"""Deterministic random fields of ground coordinates: the same place gets the same value in every tile and pixel size.

Lattice values come from an integer hash (the finaliser of SplitMix64, Steele et al. 2014); fields are value noise,
interpolated by cubic B-splines, which show no trace of the lattice's axes.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ingest.sample.grid import Grid

type F32 = NDArray[np.float32]
type Ints = NDArray[np.int64]

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_X, _Y, _S = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)

_OCTAVE_DEVIATION = 0.277
"""Standard deviation of `smooth`: that of -1..1, 3**-0.5, times 151/315, what the spline leaves of it."""


def seed_of(*parts: object) -> int:
    """A 32-bit seed from anything that prints the same every time."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=4).digest())


def uniform(seed: int) -> float:
    """A number in 0..1 for a seed."""
    return float(hashed(np.zeros(1, np.int64), np.zeros(1, np.int64), seed)[0])


def hashed(i: Ints, j: Ints, seed: int) -> F32:
    """Random values in 0..1 of the lattice points (i, j), which are broadcast against each other."""
    with np.errstate(over="ignore"):
        z = i.astype(np.uint64) * _X + j.astype(np.uint64) * _Y + np.uint64(seed) * _S
        for shift, factor in zip((30, 27), _MIX, strict=True):
            z = (z ^ (z >> np.uint64(shift))) * factor
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def smooth(grid: Grid, scale: tuple[float, float], seed: int) -> F32:
    """Smooth noise in -1..1 with a lattice of `scale` (x, y) metres; shape rows, columns."""
    # Shifted by the seed, or the lattices of a sum's octaves would share nodes and show as a grid.
    j, across = _cells(grid.x / scale[0] + seed % 97 / 97)
    i, down = _cells(grid.y / scale[1] + seed % 89 / 89)
    lattice_j = np.arange(j.min(), j.max() + 4)
    lattice_i = np.arange(i.min(), i.max() + 4)
    values = hashed(lattice_j[None, :], lattice_i[:, None], seed) * np.float32(2) - np.float32(1)
    rows = np.zeros((grid.y.size, lattice_j.size), np.float32)
    for n, weight in enumerate(down):
        rows += values[i - lattice_i[0] + n] * weight[:, None]
    total = np.zeros(grid.shape, np.float32)
    for n, weight in enumerate(across):
        total += rows[:, j - lattice_j[0] + n] * weight
    return total


def fractal(grid: Grid, scale: float | tuple[float, float], octaves: int, seed: int, gain: float = 0.5) -> F32:
    """Sum of `octaves` of `smooth`, each half the size and `gain` times the amplitude; standard deviation about 1."""
    sx, sy = scale if isinstance(scale, tuple) else (scale, scale)
    total = np.zeros(grid.shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        amplitude = gain**octave
        total += np.float32(amplitude) * smooth(grid, (sx / 2**octave, sy / 2**octave), seed + 31 * octave)
        power += amplitude**2
    return total / np.float32(_OCTAVE_DEVIATION * power**0.5)


def step(values: F32, low: float, high: float) -> F32:
    """Smooth transition from 0 at `low` to 1 at `high` (Hermite)."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    smoothed: F32 = t * t * (3 - 2 * t)
    return smoothed


def _cells(position: NDArray[np.float64]) -> tuple[Ints, tuple[F32, F32, F32, F32]]:
    """The first of the four lattice points around each position, and the four weights of the cubic B-spline."""
    cell = np.floor(position)
    t = position - cell
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    first, second, third, fourth = ((weight / 6).astype(np.float32) for weight in weights)
    return cell.astype(np.int64) - 1, (first, second, third, fourth)
