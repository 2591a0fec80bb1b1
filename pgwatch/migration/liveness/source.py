"""The text of a PL/pgSQL body: its declarations with their types, which the parser's tree loses. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|(?<![\w$])[eE]'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|"(?:""|[^"])*"
    |(?<![\w$])\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\$\d+|[^\W\d][\w$]*|\d[\w.]*|:=|\s+|.""",
    re.DOTALL | re.VERBOSE,
)
_TYPE_ENDS = frozenset({":=", "=", "default", "not", "collate"})
_CONFLICT = re.compile(r"^\s*#\s*variable_conflict\s+(\w+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Token:
    """One token that is neither space nor comment."""

    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The text as a keyword."""
        return self.text.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One variable of a DECLARE section."""

    name: str
    type: str  # as it is written; "" for an alias or a cursor
    block: int  # of the BEGIN that it stands before, from 0
    line: int
    default: str = ""
    alias: str = ""
    start: int = 0  # where the type stands
    end: int = 0


def tokens(text: str) -> Iterator[Token]:
    """Return the tokens of a body."""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if not token.isspace() and not token.startswith(("--", "/*")):
            yield Token(token, match.start(), match.end())


def identifier(text: str) -> str:
    """Return the name that a token means."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text.lower()


def variable_conflict(text: str) -> str:
    """Return `error`, `use_variable` or `use_column`."""
    match = _CONFLICT.search(text)
    return match[1].lower() if match else "error"


def declarations(text: str) -> list[Declaration]:
    """Return what the body declares, in order."""
    found: list[Declaration] = []
    statement: list[Token] | None = None  # None: not in a DECLARE section
    blocks = 0
    for token in tokens(text):
        if token.word == "begin":
            blocks += 1
            statement = None
        elif token.word == "declare":
            statement = []
        elif statement is not None and token.text == ";":
            if (one := _declaration(text, statement, blocks)) is not None:
                found.append(one)
            statement = []
        elif statement is not None:
            statement.append(token)
    return found


def _declaration(text: str, parts: Sequence[Token], block: int) -> Declaration | None:
    if len(parts) < 2:
        return None
    name, rest = identifier(parts[0].text), list(parts[1:])
    line = text.count("\n", 0, parts[0].start) + 1
    words = [token.word for token in rest]
    if words[0] == "alias":
        alias = identifier(rest[2].text) if len(rest) > 2 else ""
        return Declaration(name=name, type="", block=block, line=line, alias=alias)
    if words[0] == "constant":
        rest = rest[1:]
    if "cursor" in (token.word for token in rest[:3]):
        return Declaration(name=name, type="", block=block, line=line)
    length = _type_length(rest)
    if not length:
        return None
    default = ""
    for index, token in enumerate(rest[length:], length):
        if token.word in (":=", "=", "default"):
            default = text[token.end : rest[-1].end].strip()
            rest = rest[: max(index, length)]
            break
    start, end = rest[0].start, rest[length - 1].end
    return Declaration(
        name=name,
        type=text[start:end],
        block=block,
        line=line,
        default=default,
        start=start,
        end=end,
    )


def _type_length(parts: Sequence[Token]) -> int:
    depth = 0
    for index, token in enumerate(parts):
        depth += (token.text in "([") - (token.text in ")]")
        if not depth and token.word in _TYPE_ENDS:
            return index
    return len(parts)


def with_plain_types(
    text: str, composite: Callable[[str], bool], *, keeps: Callable[[str], bool] = lambda _: False
) -> str:
    """Return the body with each declared type as `record` or `text`, on the same lines.

    Types that `keeps` says are left as they are.

    The parser knows no catalogue: it takes fields of a `%ROWTYPE` for unknown variables, and an enum in
    a list of INTO for a record.
    """
    parts, copied = [], 0
    for one in declarations(text):
        if not one.type or keeps(one.type):
            continue
        plain = "record" if composite(one.type) else "text"
        if one.type.rstrip().endswith("]"):
            plain = "text[]"
        if one.type.lower() == "refcursor":
            continue
        parts += [text[copied : one.start], plain, "\n" * one.type.count("\n")]
        copied = one.end
    return "".join([*parts, text[copied:]])
