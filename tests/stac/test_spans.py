"""Places of blocks: what is told row by row is what was plain, and what cannot be told so is refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac import spans

COLUMNS = 5


def placed(lengths, start=2_000_000_000_000):
    """Plain places of blocks of `lengths` that follow one another; of length 0, never written."""
    packed, offset = b"", start
    for length in lengths:
        packed += struct.pack("<QI", offset if length else 0, length)
        offset += length + 8 if length else 0
    return packed


@given(
    st.lists(st.sampled_from([0, 1, 255, 256, 65536, 2**24 - 1]), min_size=1, max_size=40),
    st.integers(min_value=1, max_value=9), st.data(),
)  # fmt: skip
def test_any_part_is_what_was_plain(lengths, columns, data):
    lengths += [0] * (-len(lengths) % columns)
    plain = placed(lengths)
    (rows,) = spans.row_by_row([plain], columns)

    assert spans.some(rows, columns, 0, len(lengths)) == plain
    assert len(rows) == (8 + 3 * columns) * (len(lengths) // columns)
    first = data.draw(st.integers(min_value=0, max_value=len(lengths) - 1))
    count = data.draw(st.integers(min_value=0, max_value=len(lengths) - first))
    assert spans.some(rows, columns, first, count) == plain[first * 12 : (first + count) * 12]


def test_rows_may_lie_apart():
    plain = placed([7] * COLUMNS, 5000) + placed([0, 0, 9, 0, 8], 400)
    assert spans.some(*spans.row_by_row([plain], COLUMNS), COLUMNS, 0, len(plain) // spans.SPAN) == plain


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        placed([7] * 4),
        placed([7] * 4 + [2**24]),
        placed([7, 7, 7]) + placed([7, 7], 5000),
        placed([7, 7, 7, 7]) + struct.pack("<QI", 5, 0),
        placed([0, 0, 0, 0, 7], 2**63),
        np.random.default_rng(1).bytes(12 * COLUMNS),
    ],
    ids=["no blocks", "no whole row", "a long block", "a gap", "an offset of nothing", "past all ends", "noise"],
)
def test_what_cannot_be_told_row_by_row_is_refused(plain):
    assert spans.row_by_row([plain], COLUMNS) == [None]


def test_images_are_told_apart():
    """More at once than are reckoned with at once, some of them not row by row."""
    good = [placed([7, number, 9, 1, 8], 5000 + number) for number in range(1, 40)]
    sparse, gap = placed([0, 3, 0, 4, 0], 700), placed([7, 7, 7]) + placed([7, 7], 5000)
    rows = spans.row_by_row([*good, sparse, gap, *good], COLUMNS)

    assert rows[len(good) + 1] is None
    for plain, told in zip([*good, sparse, *good], [*rows[: len(good) + 1], *rows[len(good) + 2 :]], strict=True):
        assert spans.some(told, COLUMNS, 0, COLUMNS) == plain
    assert spans.row_by_row([], COLUMNS) == []
