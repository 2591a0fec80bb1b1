"""What statements that nobody can follow may have made: it is not missing for certain. Pure."""

import re
from collections.abc import Iterable
from functools import lru_cache

from pgwatch.migration.parse import words_of
from pgwatch.migration.preflight.scene import Scene

_LOOKED_UP = frozenset({"42P01", "42883", "42704", "3F000", "42703"})
_MADE = re.compile(
    r"""\b(?:create\s+(?:or\s+replace\s+)?(?:[a-z]+\s+){1,3}?(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?
    |add\s+(?:column\s+|constraint\s+|value\s+)?(?:if\s+not\s+exists\s+)?|rename\s+(?:\w+\s+)?to\s+)
    (?:"?(?P<schema>\w+)"?\s*\.\s*)?"?(?P<name>\w+)"?""",
    re.IGNORECASE | re.VERBOSE,
)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_NAMED = re.compile(r'"([^"]+)"|\b(\w+(?:\.\w+)*)\(')
_MAKES = re.compile(r"\b(?:create|alter|execute)\b", re.IGNORECASE)
_MOST_NESTED = 3  # functions that call each other


@lru_cache(maxsize=1024)
def made_in(text: str) -> frozenset[str]:
    """Return names that SQL, a body or a block may make; where it has EXECUTE, also words of its texts."""
    names = {name.lower() for match in _MADE.finditer(text) for name in match.groups() if name}
    if re.search(r"\bexecute\b", text, re.IGNORECASE):
        names |= {word for literal in _LITERAL.findall(text) for word in words_of(literal)}
    return frozenset(names)


def made_by_calls(text: str, scene: Scene, depth: int = 0) -> frozenset[str]:
    """Return names that the functions of the migrations which `text` names may make."""
    names: frozenset[str] = frozenset()
    words = words_of(text)
    for function in scene.functions.values():
        if function.name not in words or function.shape == text or depth >= _MOST_NESTED:
            continue
        if _MAKES.search(function.shape):
            names |= made_in(function.shape)
            names |= made_by_calls(function.shape, scene, depth + 1)
    return names


def may_be_there(sqlstate: str, message: str, possible: Iterable[frozenset[str]]) -> bool:
    """Return whether what is said to be missing may have been made."""
    if sqlstate not in _LOOKED_UP:
        return False
    named = {
        part.lower()
        for quoted, called in _NAMED.findall(message)
        for part in (quoted or called).split(".")
    }
    return any(named & one for one in possible)
