"""Whether migrations seem to be named in another order than that in which they are applied. Pure."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

# What is raised when something does not exist: relation, column, type or constraint, function, schema.
ABSENT = frozenset({"42P01", "42703", "42704", "42883", "3F000"})
_NAME = re.compile(r'"([^"]+)"|\b(?:column|relation|type|function) ([\w.]+)')


def made_later(
    failures: Iterable[tuple[Path, str]], texts: Mapping[Path, str]
) -> tuple[str, Path] | None:
    """Return the first thing that a failure misses and a later file makes, and that file.

    `failures` are files and what the server says there, `texts` the files' SQL in their order. A later
    file makes what it names behind CREATE or ADD: enough for a question, not for a verdict.
    """
    order = list(texts)
    for file, said in failures:
        if (found := _NAME.search(said)) is None:
            continue
        name = (found[1] or found[2]).rpartition(".")[2]
        makes = re.compile(rf"\b(?:CREATE|ADD)\b[^;]*?\b{re.escape(name)}\b", re.IGNORECASE)
        for later in order[order.index(file) + 1 :]:
            if makes.search(texts[later]):
                return name, later
    return None
