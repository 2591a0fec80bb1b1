"""What the server tells in other words than it was told, and means the same. Pure."""

import re
from collections.abc import Iterable
from dataclasses import replace

from pgwatch.migration.objects import Declared, Facet, Kind

_WITH_TYPES = ("returns", "arguments", "attributes")
_OF = frozenset({Kind.FUNCTION, Kind.TYPE})
# Read when the default was made, not when a row is (datetime.c, special values).
_MOMENT = re.compile(r"'\s*(?:now(?:\(\))?|today|tomorrow|yesterday)\s*'(?:::.+)?", re.IGNORECASE)
_FIXED = re.compile(r"'[^']*'::(?:timestamp|date|time)\b.*")


def as_told(objects: Iterable[Declared], schemas: Iterable[str]) -> tuple[Declared, ...]:
    """Return functions and composite types with their types named as the server names them.

    Those in `schemas`, which are on the search path of whoever asks, it tells without the schema.
    """
    from pgwatch.migration.parse import identifier  # noqa: PLC0415 - brings the SQL grammar

    names = "|".join(re.escape(identifier(name)) for name in schemas)
    if not names:
        return tuple(objects)
    prefix = re.compile(rf'(?<![\w".])(?:{names})\.')
    return tuple(_told(one, prefix) if one.key.kind in _OF else one for one in objects)


def _told(one: Declared, prefix: re.Pattern[str]) -> Declared:
    facets = dict(one.facets)
    for name in facets.keys() & _WITH_TYPES:
        value = facets[name].value
        if isinstance(value, tuple):
            facets[name] = Facet(tuple(prefix.sub("", text) for text in value), facets[name].place)
        else:
            facets[name] = Facet(prefix.sub("", str(value)), facets[name].place)
    return replace(one, key=replace(one.key, name=prefix.sub("", one.key.name)), facets=facets)


def same_moment(declared: str, live: str) -> bool:
    """Return whether a default such as `'now()'` became the point in time at which it was declared."""
    return bool(_MOMENT.fullmatch(declared) and _FIXED.fullmatch(live))
