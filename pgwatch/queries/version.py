"""Conditions on version numbers: `>=12`, `<13`, `>=13 <17`, `1.8`."""

import re
from dataclasses import dataclass

_BOUND = re.compile(r"(>=|<=|>|<|=|)\s*(\d+(?:\.\d+)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A set of versions; a version is compared only as far as each bound is written.

    So 16.9 satisfies `<=16` and `16`, and 15.3 does not satisfy `>=15.4`.
    """

    bounds: tuple[tuple[str, tuple[int, ...]], ...] = ()  # operator, numbers; none: any version

    def holds(self, version: tuple[int, ...]) -> bool:
        """Return whether `version`, such as (15, 4), is in the range."""
        return all(_compare(version, operator, bound) for operator, bound in self.bounds)

    def __str__(self) -> str:
        """Return the range as it is written: `>=13 <17`."""
        return " ".join(op + ".".join(map(str, numbers)) for op, numbers in self.bounds)


ANY_VERSION = VersionRange()


def parse_range(text: str) -> VersionRange:
    """Return the range that `text` writes; bounds are separated by spaces or commas.

    Raises ValueError, with a message for the user.
    """
    rest = text.replace(",", " ").strip()
    bounds: list[tuple[str, tuple[int, ...]]] = []
    while rest:
        match = _BOUND.match(rest)
        if match is None or (match.end() < len(rest) and not rest[match.end()].isspace()):
            raise ValueError(
                f"{text!r} is not a version range; write it like >=12, <13 or >=13 <17"
            )
        bounds.append((match[1], numbers(match[2])))
        rest = rest[match.end() :].lstrip()
    if not bounds:
        raise ValueError("the version range is empty; write it like >=12, <13 or >=13 <17")
    return VersionRange(tuple(bounds))


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: `1.10` → (1, 10), `15.4 (Debian …)` → (15, 4)."""
    match = re.match(r"\d+(?:\.\d+)*", version, re.ASCII)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _compare(version: tuple[int, ...], operator: str, bound: tuple[int, ...]) -> bool:
    seen = (version + (0,) * len(bound))[: len(bound)]
    match operator:
        case ">=":
            return seen >= bound
        case "<=":
            return seen <= bound
        case ">":
            return seen > bound
        case "<":
            return seen < bound
        case _:
            return seen == bound
