"""A migration as psql reads it: statements with their lines, meta-commands, variables, COPY data."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_INCLUDES = 20  # of files in files: deeper ones include themselves

# Where a statement can end, or where text begins in which it cannot.
_TOKEN = re.compile(
    r"--[^\n]*|/\*|(?<![\w$])[eE]'|'|\"|(?<![\w$])\$(?:[^\W\d]\w*)?\$|[;()\\]"
    r"|(?<!:):(?:\w+|'\w+'|\"\w+\"|\{\?\w+\})(?!:)|\b(?i:begin|case|end)\b"
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ENDS = {"'": re.compile(r"'"), '"': re.compile(r'"'), "e'": re.compile(r"\\.|'", re.DOTALL)}
_SPACE = re.compile(r"(?:\s+|--[^\n]*)*")
_ROUTINE = re.compile(r"create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", re.IGNORECASE)
_COPY_DATA = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_COPY_END = re.compile(r"^\\\.[ \t\r]*(?:\n|\Z)", re.MULTILINE)
_META = re.compile(r"\\(\S*)[ \t]*([^\n]*)")
_MASKED = re.compile(r":(?:'(\w+)'|\"(\w+)\"|\{\?(\w+)\}|(\w+))")

# psql's own words for what a boolean may be, ParseVariableBool in src/bin/psql/variables.c.
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a file."""

    file: Path
    line: int  # of its first token, from 1
    text: str  # variables filled in, without the semicolon
    opaque: str = ""  # why it cannot be read, where only psql or the server knows what it does
    stops: bool = False  # psql ends the file here if it fails: ON_ERROR_STOP


def read_statements(path: Path) -> list[Statement]:
    """Return what `psql -f path` would send, in order; raises OSError for a file that is not there."""
    return list(_File(path, variables={}, depth=0).statements())


def split_statements(text: str, path: Path) -> list[Statement]:
    """Return the statements of `text`, a part of `path`; its lines count from 1. Includes are followed."""
    return list(_File(path, variables={}, depth=0, text=text).statements())


class _File:
    """One file, and where we are in it."""

    def __init__(
        self, path: Path, *, variables: dict[str, str], depth: int, text: str | None = None
    ) -> None:
        self._path = path
        self._text = _read(path) if text is None else text
        self._lines = [match.start() for match in re.finditer("\n", self._text)]
        self._variables = variables
        self._depth = depth
        self._position = 0
        self._begin = 0  # of the current statement
        self._parts: list[str] = []  # of it, with variables filled in
        self._copied = 0  # up to where `_parts` holds the text
        self._parens = 0
        self._blocks = 0  # of BEGIN ATOMIC … END
        self._branches: list[bool | None] = []  # of \if: taken now, not yet, or not any more (None)

    def statements(self) -> Iterator[Statement]:
        while (match := _TOKEN.search(self._text, self._position)) is not None:
            mark = match.group()
            self._position = match.end()
            if mark == "\\":
                yield from self._meta(match.start())
                if self._position < 0:  # \q
                    return
            elif mark == ";":
                if self._parens <= 0 and self._blocks <= 0:
                    yield from self._end(match.start())
            else:
                self._skip(mark, match.start())
        self._position = len(self._text)
        yield from self._end(self._position)

    def _skip(self, mark: str, start: int) -> None:
        if mark in "()":
            self._parens += 1 if mark == "(" else -1
        elif mark == "/*":
            self._skip_comment()
        elif mark[0] == "$":
            end = self._text.find(mark, self._position)
            self._position = len(self._text) if end < 0 else end + len(mark)
        elif mark.lower() in _ENDS:
            self._skip_quoted(mark.lower())
        elif mark[0] == ":":
            self._fill_in(mark, start)
        elif mark[0] != "-":
            self._count_block(mark.lower(), start)

    def _skip_comment(self) -> None:
        depth = 1
        while depth and (edge := _COMMENT_EDGE.search(self._text, self._position)):
            depth += 1 if edge.group() == "/*" else -1
            self._position = edge.end()
        if depth:
            self._position = len(self._text)

    def _skip_quoted(self, quote: str) -> None:
        end = _ENDS[quote]
        while match := end.search(self._text, self._position):
            self._position = match.end()
            if match.group() == quote[-1]:
                return
        self._position = len(self._text)

    def _count_block(self, word: str, start: int) -> None:
        """Count what psql counts so that the semicolons of BEGIN ATOMIC … END end nothing."""
        if self._blocks:
            self._blocks += -1 if word == "end" else 1
        elif word == "begin" and _ROUTINE.match(self._text, self._first(self._begin, start)):
            self._blocks = 1

    def _fill_in(self, mark: str, start: int) -> None:
        match = _MASKED.fullmatch(mark)
        if match is None:
            return
        literal, identifier, asked, plain = match.groups()
        name = literal or identifier or asked or plain
        if asked:
            value = "TRUE" if name in self._variables else "FALSE"
        elif name not in self._variables:
            return
        else:
            value = self._variables[name]
        if literal:
            value = "'" + value.replace("'", "''") + "'"
        elif identifier:
            value = '"' + value.replace('"', '""') + '"'
        self._parts += [self._text[self._copied : start], value]
        self._copied = self._position

    def _end(self, at: int, opaque: str = "") -> Iterator[Statement]:
        """End the statement before `at`; the next begins where we are now."""
        self._parts.append(self._text[self._copied : at])
        text = "".join(self._parts)
        text = text[_first_token(text) :].rstrip()
        line = self._line(self._first(self._begin, at))
        active = self._active
        if text and active and _COPY_DATA.match(text):
            self._skip_copy_data()
        self._restart()
        if text and active:
            stops = self._variables.get("ON_ERROR_STOP", "off").lower() not in _FALSE
            yield Statement(file=self._path, line=line, text=text, opaque=opaque, stops=stops)

    def _restart(self) -> None:
        self._begin = self._copied = self._position
        self._parts = []
        self._parens = self._blocks = 0

    def _skip_copy_data(self) -> None:
        newline = self._text.find("\n", self._position)
        end = _COPY_END.search(self._text, newline + 1) if newline >= 0 else None
        self._position = end.end() if end else len(self._text)

    @property
    def _active(self) -> bool:
        return all(branch is True for branch in self._branches)

    def _meta(self, start: int) -> Iterator[Statement]:
        """Do what a backslash command does; it ends with its line."""
        if self._text.startswith(";", self._position):  # \; sends what follows in the same message
            self._position += 1
            yield from self._end(start)
            return
        match = _META.match(self._text, start)
        assert match is not None
        self._position = match.end()
        command, argument = match[1], self._filled(match[2]).strip()
        if command.startswith("g") and command[1:] in ("", "x", "set", "desc", "exec"):
            reason = "what \\gexec runs is known only when it runs" if command == "gexec" else ""
            yield from self._end(start, reason)
            return
        self._parts.append(self._text[self._copied : start])
        self._copied = self._position
        pending = "".join(self._parts)
        if _first_token(pending) == len(pending):
            self._restart()  # so that the line is not the command's
        if command in ("if", "elif", "else", "endif"):
            yield from self._branch(command, argument, start)
        elif self._active:
            yield from self._command(command, argument, start)

    def _command(self, command: str, argument: str, start: int) -> Iterator[Statement]:
        words = argument.split()
        if command == "set" and words:
            self._variables[words[0]] = "".join(_unquoted(word) for word in words[1:])
        elif command == "unset" and words:
            self._variables.pop(words[0], None)
        elif command in ("i", "include", "ir", "include_relative"):
            yield from self._include(_unquoted(argument), start)
        elif command in ("q", "quit"):
            self._position = -1

    def _include(self, name: str, start: int) -> Iterator[Statement]:
        # psql takes \i from its working folder; we may run elsewhere, and look beside the file, too.
        candidates = [self._path.parent / name, Path(name)]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None or self._depth >= _MAX_INCLUDES:
            reason = "the file is not there" if path is None else "files include each other"
            yield self._opaque(f"\\i {name}", reason, start)
            return
        yield from _File(path, variables=self._variables, depth=self._depth + 1).statements()

    def _branch(self, command: str, argument: str, start: int) -> Iterator[Statement]:
        if command == "endif":
            del self._branches[-1:]
            return
        if command == "else":
            if self._branches:
                self._branches[-1] = True if self._branches[-1] is False else None
            return
        chosen = argument.lower() in _TRUE
        if self._active and argument.lower() not in _TRUE | _FALSE:
            reason = "which branch psql takes is known only when it runs"
            yield self._opaque(f"\\{command} {argument}", reason, start)
        if command == "if":
            self._branches.append(chosen)
        elif self._branches:
            self._branches[-1] = chosen if self._branches[-1] is False else None

    def _opaque(self, text: str, reason: str, start: int) -> Statement:
        return Statement(file=self._path, line=self._line(start), text=text, opaque=reason)

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[3]:
                return "true" if match[3] in self._variables else "false"
            name = match[1] or match[2] or match[4]
            return self._variables.get(name, match.group())

        return _MASKED.sub(value, text)

    def _first(self, begin: int, end: int) -> int:
        return min(begin + _first_token(self._text[begin:end]), end)

    def _line(self, position: int) -> int:
        return bisect_right(self._lines, position - 1) + 1


def _read(path: Path) -> str:
    # With its line ends as they are: psql sends them, and what stands in quotes keeps them.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return file.read()


def _first_token(text: str) -> int:
    """Return where the first token of `text` is, after spaces and comments."""
    position = 0
    while True:
        match = _SPACE.match(text, position)
        position = match.end() if match else position
        if not text.startswith("/*", position):
            return position
        depth, position = 1, position + 2
        while depth:
            edge = _COMMENT_EDGE.search(text, position)
            if edge is None:
                return len(text)
            depth += 1 if edge.group() == "/*" else -1
            position = edge.end()


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] == "'":
        return word[1:-1].replace("''", "'")
    return word
