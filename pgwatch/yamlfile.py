"""YAML documents that remember where each part stands, so that every error names file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from pgwatch.errors import InputError, Problem

# What PyYAML quotes: a sign such as ',', a token of its own, or (the last) what somebody wrote.
_QUOTED = re.compile(
    r"'[^']'|'<(?:alias|anchor|block [a-z ]+|directive|document [a-z]+|scalar|stream end|tag)>'|'.*'|\".*\"",
    re.DOTALL,
)

# The C parser where the wheel has it: 8 times faster, and start-up is what `check --once` waits for.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TextLoader(_SafeLoader):  # type: ignore[misc]  # the base is one of two classes
    """Leaves every plain scalar a text, except null; `<<` still merges."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's attribute)
        char: [pair for pair in pairs if pair[0].endswith((":null", ":merge"))]
        for char, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Path = tuple[
    str | int, ...
]  # keys and indexes from the document's root, such as ("targets", 0, "dsn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: its plain value and the position of every node of it."""

    file: str
    value: Any  # dict, list, str, int, float, bool, date or None, as YAML's safe schema says
    positions: dict[Path, Position]  # of each value; of a mapping's entry, the position of its key

    def problem(self, path: Path, message: str) -> Problem:
        """Return a Problem at `path`, or at its nearest parent that the file has."""
        at = path
        while at and at not in self.positions:
            at = at[:-1]
        position = self.positions.get(at)
        return Problem(
            file=self.file,
            line=position.line if position else None,
            column=position.column if position else None,
            path=dotted(path),
            message=message,
        )


def dotted(path: Path) -> str:
    """Return `path` as people write it: `targets[0].dsn`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load(text: str, *, file: str, first_line: int = 1, texts: bool = False) -> Document:
    """Return the one YAML document of `text`; `file` and `first_line` (of `text` in `file`) name places.

    `texts` leaves scalars as they are written (`on`, `1.50`), as Go reads them into fields that are texts.
    An empty text gives the value None. Raises InputError on a syntax error, a second document, an
    anchor bomb, or a mapping that has a key twice (which YAML forbids and PyYAML lets pass).
    """
    loader = _TextLoader(text) if texts else _SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(file=file, value=None, positions={})
        positions: dict[Path, Position] = {}
        problems = list(_walk(node, (), positions, file, first_line))
        if problems:
            raise InputError(problems)
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            [
                Problem(
                    file=file,
                    line=mark.line + first_line if mark else None,
                    column=mark.column + 1 if mark else None,
                    message=f"not valid YAML: {_explained(error, text)}",
                )
            ]
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"not valid YAML: {str(error) or type(error).__name__}"
        raise InputError([Problem(file=file, message=message)]) from error
    finally:
        loader.dispose()
    return Document(file=file, value=value, positions=positions)


def _explained(error: yaml.MarkedYAMLError, text: str) -> str:
    said, mark = error.problem or error.context or "", error.problem_mark
    if mark is not None and said.startswith("found character"):
        found = text.split("\n")[mark.line : mark.line + 1]
        match found[0][mark.column : mark.column + 1] if found else "":
            case "\t":
                return "tabs cannot indent; use spaces"
            case "@" | "`" | "%" as sign:
                return f"a text that begins with {sign} stands in quotes"
    # A tag or an alias is masked: `password: !word` is a password.
    return _QUOTED.sub(lambda m: m[0] if len(m[0]) == 3 or m[0][1] == "<" else "…", said)


_MAX_NODES = (
    200_000  # of the expanded document: an anchor bomb grows exponentially, a real file does not
)


def _walk(
    node: Any, path: Path, positions: dict[Path, Position], file: str, first_line: int
) -> Iterator[Problem]:
    mark = node.start_mark
    positions.setdefault(path, Position(line=mark.line + first_line, column=mark.column + 1))
    if len(positions) > _MAX_NODES:
        raise ValueError(f"more than {_MAX_NODES} nodes")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), positions, file, first_line)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, item in node.value:
            name = str(key.value)
            at = Position(line=key.start_mark.line + first_line, column=key.start_mark.column + 1)
            if name in seen and name != "<<":
                yield Problem(
                    file=file,
                    line=at.line,
                    column=at.column,
                    path=dotted((*path, name)),
                    message=f"this key stands twice (first in line {seen[name]}); keep one of them",
                )
            seen[name] = at.line
            positions[(*path, name)] = at
            yield from _walk(item, (*path, name), positions, file, first_line)
