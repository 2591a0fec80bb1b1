"""Lines over time in characters: plots of Braille dots, and sparklines of blocks. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise

Values = Sequence[float | None]  # one for each step; None: no sample

_BLOCKS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
# The bits of a Braille character by row and column of its dots (Unicode, block U+2800).
_BLANK = 0x2800


def plot(values: Values, *, width: int, height: int = 6) -> list[str]:
    """Return `height` lines of at most `width` characters; two steps share a column, gaps stay empty."""
    steps = _resampled(values, width * 2)
    low, high = _limits(values)
    rows = height * 4
    cells = [[_BLANK] * width for _ in range(height)]
    before: int | None = None
    for x, value in enumerate(steps):
        y = None if value is None else _place(value, low, high, rows)
        if y is not None:
            # A jump is drawn as a line, from one dot beside the last height to the new one.
            first = y if before is None or before == y else before + (1 if y > before else -1)
            for dot in range(min(first, y), max(first, y) + 1):
                row = rows - 1 - dot
                cells[row // 4][x // 2] |= _DOTS[row % 4][x % 2]
        before = y
    return ["".join(map(chr, row)).replace(chr(_BLANK), " ").rstrip() for row in cells]


def sparkline(values: Values, *, width: int) -> str:
    """Return one line of at most `width` characters; gaps are spaces."""
    low, high = _limits(values)
    return "".join(
        " " if value is None else _BLOCKS[_place(value, low, high, len(_BLOCKS))]
        for value in _resampled(values, width)
    )


def _resampled(values: Values, width: int) -> Values:
    """Return at most `width` of the values: each the farthest from the mean of its stretch."""
    if len(values) <= width:
        return [_finite(value) for value in values]
    known = [value for value in values if value is not None and math.isfinite(value)]
    mean = sum(value / len(known) for value in known)
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    return [_farthest(values[start:end], mean) for start, end in pairwise(edges)]


def _farthest(values: Values, mean: float) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return max(known, key=lambda value: abs(value / 2 - mean / 2), default=None)


def _limits(values: Values) -> tuple[float, float]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _place(value: float, low: float, high: float, places: int) -> int:
    if high == low:
        return 0
    # Halved, so that the distance of two huge numbers is finite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return round(min(1.0, max(0.0, share)) * (places - 1))
