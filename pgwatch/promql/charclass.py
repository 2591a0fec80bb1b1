"""Character classes of RE2 as ranges of code points."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

LAST = 0x10FFFF

Ranges = list[tuple[int, int]]  # of code points, both ends included

PERL: dict[str, Ranges] = {
    "d": [(0x30, 0x39)],
    "s": [(9, 10), (12, 13), (32, 32)],
    "w": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
}  # ASCII only, unlike Python's

_UPPER, _LOWER, _DIGIT = (0x41, 0x5A), (0x61, 0x7A), (0x30, 0x39)
POSIX: dict[str, Ranges] = {
    "alnum": [_DIGIT, _UPPER, _LOWER],
    "alpha": [_UPPER, _LOWER],
    "ascii": [(0, 0x7F)],
    "blank": [(9, 9), (32, 32)],
    "cntrl": [(0, 0x1F), (0x7F, 0x7F)],
    "digit": [_DIGIT],
    "graph": [(0x21, 0x7E)],
    "lower": [_LOWER],
    "print": [(0x20, 0x7E)],
    "punct": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
    "space": [(9, 13), (32, 32)],
    "upper": [_UPPER],
    "word": [_DIGIT, _UPPER, (0x5F, 0x5F), _LOWER],
    "xdigit": [_DIGIT, (0x41, 0x46), (0x61, 0x66)],
}

_SUBCATEGORIES = {
    "C": "cfos",
    "L": "lmotu",
    "M": "cen",
    "N": "dlo",
    "P": "cdefios",
    "S": "ckmo",
    "Z": "lps",
}
CATEGORIES = frozenset(
    major + minor for major, minors in _SUBCATEGORIES.items() for minor in ("", *minors)
)  # Unicode's general categories; a single letter is all that begin with it


def complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return all code points that are not in `ranges`."""
    found: Ranges = []
    begin = 0
    for low, high in sorted(ranges):
        if low > begin:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    if begin <= LAST:
        found.append((begin, LAST))
    return found


def python_class(ranges: Ranges) -> str:
    """Return Python's class of `ranges`; nothing matches an empty one."""
    if not ranges:
        return "(?!)"
    return f"[{''.join(f'{_code(low)}-{_code(high)}' for low, high in ranges)}]"


@lru_cache
def category(name: str) -> Ranges:
    """Return the ranges of the general category `name`; the first use of each costs 0.2 s."""
    found: Ranges = []
    for point in range(LAST + 1):
        if unicodedata.category(chr(point)).startswith(name):
            if found and found[-1][1] == point - 1:
                found[-1] = (found[-1][0], point)
            else:
                found.append((point, point))
    return found


def _code(point: int) -> str:
    return f"\\U{point:08x}"
