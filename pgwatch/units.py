"""Durations and sizes as people write them, and back.

Durations are Prometheus's: `[0-9]+(ms|s|m|h|d|w|y)` in falling order, with `d` = 24 h, `w` = 7 d and
`y` = 365 d (https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations).
"""

import re
from datetime import timedelta

_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_MAX_MS = 2**63 // 1_000_000  # Prometheus holds a duration as int64 nanoseconds
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?B|)", re.ASCII)
_SIZE_FACTORS = {
    "": 1,
    "B": 1,
    **{f"{p}B": 1000**i for i, p in enumerate("kMGT", 1)},
    **{f"{p}iB": 1024**i for i, p in enumerate("kMGT", 1)},
    "KiB": 1024,
}


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` writes in Prometheus's form, such as `90s`, `1h30m`, `0`.

    Raises ValueError, with a message for the user, on anything else.
    """
    if text == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration; write it like 500ms, 30s, 5m, 1h30m or 7d")
    total = sum(
        int(number) * unit
        for number, unit in zip(match.groups(), _UNITS_MS.values(), strict=True)
        if number is not None
    )
    if total > _MAX_MS:
        raise ValueError(f"{text!r} is too long a duration (at most 292 years)")
    return timedelta(milliseconds=total)


def format_duration(duration: timedelta) -> str:
    """Return `duration` as Prometheus writes it: `1h30m`, `0s`; whole milliseconds, a sign if negative."""
    left = round(duration / timedelta(milliseconds=1))
    if left == 0:
        return "0s"
    sign, left = ("-", -left) if left < 0 else ("", left)
    parts = []
    for unit, size in _UNITS_MS.items():
        # Years and weeks only where they divide evenly: 90d reads better than 12w6d.
        if unit in ("y", "w") and left % size:
            continue
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)


def parse_size(text: str) -> int:
    """Return the number of bytes that `text` writes: `10GiB`, `500MB`, `1024`; raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _SIZE_FACTORS:
        raise ValueError(f"{text!r} is not a size; write it like 500MB, 10GiB or 4096")
    return int(float(match[1]) * _SIZE_FACTORS[match[2]])
