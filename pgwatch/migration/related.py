"""Which names a declared object has to do with, so that a rename or a drop looks at few objects. Pure."""

import re
from collections.abc import Iterator

from pgwatch.migration.objects import Declared, Expression, Key, Kind, Query, TypeName

_NAME = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
_TEXTS = frozenset({"table", "references", "partition of", "owned by", "function", "returns"})


class Related:
    """Keys by the names that their objects mention: more than are related, never fewer."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[Key, None]] = {}

    def note(self, known: Declared) -> None:
        """Take an object in, again after each change."""
        for name in names_of(known):
            self._keys.setdefault(name, {})[known.key] = None

    def to(self, key: Key) -> tuple[Key, ...]:
        """Return the keys of objects that may have to do with `key`, first those noted first."""
        name = key.table if key.kind is Kind.COLUMN else key.name.split("(", 1)[0]
        return tuple(self._keys.get(name, ()))


def names_of(known: Declared) -> Iterator[str]:
    """Yield the names of tables, views, types and functions that a declaration mentions."""
    key = known.key
    yield key.table
    if key.kind is Kind.FUNCTION:
        yield from _names(key.name)
    else:
        yield key.name
    for used in known.uses:
        yield used.name
    for name, facet in known.facets.items():
        value = facet.value
        if isinstance(value, Expression | TypeName):
            yield from _names(value.sql)
        elif isinstance(value, Query):
            if "(" in value.sql:
                yield from _names(value.sql)
        elif name in _TEXTS:
            yield from _names(str(value))


def _names(text: str) -> Iterator[str]:
    for quoted, plain in _NAME.findall(text):
        yield quoted.replace('""', '"') if quoted else plain
