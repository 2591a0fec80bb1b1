"""What migrations say they do, as far as it explains what is gone or changed. Pure.

By the words of their statements and not by their net effect: that a name was renamed away, dropped in a
DO block or went with a CASCADE leaves no declared object, and a dropped one that the migration made again
is no news.
"""

import re
from collections.abc import Iterable

from pgwatch.baseline.model import Object

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_WORD = re.compile(r'"(?:[^"]|"")+"|[\w$]+')
_REMOVES = frozenset({"drop", "rename", "replace", "schema"})
_ROWS = frozenset({"delete", "truncate", "drop", "rename"})
_RIGHTS = {
    "privileges": frozenset({"grant", "revoke", "privileges"}),
    "owner": frozenset({"owner", "owned"}),
}
_ALL = frozenset({"tables", "sequences", "functions", "procedures", "routines"})
_MADE_FROM = frozenset({"index", "constraint", "trigger", "view", "materialized view"})


class Announced:
    """The statements of all migrations, as sets of words."""

    def __init__(self, statements: Iterable[str]) -> None:
        self._statements = [_words(text) for text in statements]

    def removes(self, one: Object) -> bool:
        """Return whether a statement takes `one` away, by its name, its column or what it depends on."""
        for words in self._statements:
            if words.isdisjoint(_REMOVES):
                continue
            if _names(words, one) or ("rename" in words and one.table.lower() in words):
                return True
            if "cascade" in words and any(_last(used) in words for used in one.uses):
                return True
        return False

    def changes(self, one: Object, fact: str) -> bool:
        """Return whether a statement says that `fact` of `one` changes.

        What an object is made from changes it, too; who may use it changes by GRANT, REVOKE and OWNER only,
        so that grants which a replaced table has lost are told.
        """
        if (rights := _RIGHTS.get(fact)) is not None:
            granting = (words for words in self._statements if not words.isdisjoint(rights))
            return any(_names(words, one) or _names_all(words, one) for words in granting)
        if one.kind in _MADE_FROM:
            sources = {one.table.lower(), *map(_last, one.uses)} - {""}
            altering = (words for words in self._statements if "alter" in words)
            if any(not words.isdisjoint(sources) for words in altering):
                return True
        return any(_names(words, one) for words in self._statements)

    def empties(self, table: str) -> bool:
        """Return whether a statement takes rows away from the table called `table`."""
        return any(
            table.lower() in words and not words.isdisjoint(_ROWS) for words in self._statements
        )


def _names(words: frozenset[str], one: Object) -> bool:
    name = one.name.split("(")[0].lower()
    return name in words and (not one.table or one.kind == "index" or one.table.lower() in words)


def _names_all(words: frozenset[str], one: Object) -> bool:
    """Return whether ALL TABLES (or the like) IN SCHEMA means `one`."""
    return words >= {"all", "in", "schema", one.schema.lower()} and not words.isdisjoint(_ALL)


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1].lower()


def _words(text: str) -> frozenset[str]:
    found = _WORD.findall(_COMMENT.sub(" ", text))
    return frozenset(word.strip('"').replace('""', '"').lower() for word in found)
