r"""RE2 regular expressions, as Go reads them, turned into Python's.

What Go refuses is refused here with its message (lookaround, backreferences, possessive repeats), and
what Python reads otherwise is rewritten (`$`, `\d`, `(?i)` in mid-pattern, `[[:alpha:]]`, `\Q…\E`,
`\z`, `\pL`). Source: https://github.com/google/re2/wiki/Syntax and Go's package regexp/syntax. Python's
engine backtracks where RE2 does not, so a pattern's length is limited.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pgwatch.promql.charclass import (
    CATEGORIES,
    LAST,
    PERL,
    POSIX,
    Ranges,
    category,
    complement,
    python_class,
)
from pgwatch.promql.errors import PromqlError

MAX_LENGTH = 1_000  # characters of a pattern; the longest in public rule files has fewer than 300
_MAX_NESTING = 50  # groups in groups; Python's compiler recurses
_MAX_REPEAT = 1_000  # RE2's limit
_CONTROL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}

_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])", re.ASCII)
_NAMED = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>", re.ASCII)
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_UNICODE_CLASS = re.compile(r"[pP](?:([A-Z])|\{(\^?)([A-Za-z_]+)\})")


def translate(pattern: str, *, dot_newline: bool = True) -> str:
    """Return Python's form of the RE2 `pattern`.

    `dot_newline` lets `.` match a newline, as in Prometheus 3 (Alertmanager does not). Raises PromqlError
    with Go's message on what RE2 refuses, and on the few things that are not supported here.
    """
    if len(pattern) > MAX_LENGTH:
        raise PromqlError(f"regular expression is longer than {MAX_LENGTH} characters")
    return _Translator(pattern, dot_newline=dot_newline).run()


@lru_cache(maxsize=2048)
def compile_regex(pattern: str, *, dot_newline: bool = True) -> re.Pattern[str]:
    """Return the compiled form of the RE2 `pattern`, for `fullmatch`; raises PromqlError as `translate`."""
    return re.compile(translate(pattern, dot_newline=dot_newline))


@dataclass(frozen=True, slots=True)
class _Flags:
    fold_case: bool = False
    multi_line: bool = False
    dot_newline: bool = True
    ungreedy: bool = False

    def changed(self, letters: str, *, to: bool) -> "_Flags":
        return _Flags(
            fold_case=to if "i" in letters else self.fold_case,
            multi_line=to if "m" in letters else self.multi_line,
            dot_newline=to if "s" in letters else self.dot_newline,
            ungreedy=to if "U" in letters else self.ungreedy,
        )


@dataclass(slots=True)
class _Piece:
    """A part of the result that a repeat operator applies to."""

    text: str
    repeats: int = 1  # the product of the counted repeats nested in it
    repeated: bool = False


class _Translator:
    """A recursive descent over the pattern; `run` gives Python's form of it."""

    def __init__(self, pattern: str, *, dot_newline: bool) -> None:
        self._text = pattern
        self._at = 0
        self._flags = _Flags(dot_newline=dot_newline)
        self._names: set[str] = set()
        self._level = 0

    def run(self) -> str:
        piece = self._alternation()
        if self._at < len(self._text):
            raise self._fail("unexpected )", self._text)
        return piece.text

    def _fail(self, what: str, fragment: str) -> PromqlError:
        return PromqlError(f"error parsing regexp: {what}: `{fragment}`")

    def _looking_at(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _alternation(self) -> _Piece:
        """Read up to the closing parenthesis or the end."""
        branches: list[str] = []
        pieces: list[_Piece] = []
        repeats = 1
        while self._at < len(self._text) and not self._looking_at(")"):
            if self._looking_at("|"):
                self._at += 1
                branches.append("".join(piece.text for piece in pieces))
                pieces = []
            elif self._looking_at("\\Q"):
                pieces += self._quoted()
            elif self._repeat(pieces):
                repeats = max(repeats, pieces[-1].repeats)
            elif (piece := self._atom()) is not None:
                pieces.append(piece)
                repeats = max(repeats, piece.repeats)
            elif pieces:
                pieces[-1].repeated = False  # flags stood between: `a*(?i)*` is no `a**`
        branches.append("".join(piece.text for piece in pieces))
        return _Piece("|".join(branches), repeats)

    def _quoted(self) -> list[_Piece]:
        start = self._at + 2
        end = self._text.find("\\E", start)
        self._at = len(self._text) if end < 0 else end + 2
        literal = self._text[start:] if end < 0 else self._text[start:end]
        return [self._literal(char) for char in literal]

    def _repeat(self, pieces: list[_Piece]) -> bool:
        """Apply the repeat operator that stands here to the last piece; False if none stands here."""
        counted = _REPEAT.match(self._text, self._at)
        char = self._text[self._at]
        if char not in "*+?" and counted is None:
            return False
        operator = counted[0] if counted else char
        repeats = self._count(counted) if counted else 1
        if not pieces:
            raise self._fail("missing argument to repetition operator", operator)
        last = pieces[-1]
        self._at += len(operator)
        lazy = self._looking_at("?")
        self._at += lazy
        if last.repeated:
            raise self._fail(
                "invalid nested repetition operator", _last_operators(self._text, self._at)
            )
        if repeats >= 2 and last.repeats * repeats > _MAX_REPEAT:
            raise self._fail("invalid repeat count", operator)
        suffix = "?" if lazy is not self._flags.ungreedy else ""
        pieces[-1] = _Piece(
            f"(?:{last.text}){operator}{suffix}", last.repeats * max(1, repeats), repeated=True
        )
        return True

    def _count(self, counted: re.Match[str]) -> int:
        least = int(counted[1])
        most = least if counted[2] is None else int(counted[3]) if counted[3] else -1
        if max(least, most) > _MAX_REPEAT or -1 < most < least:
            raise self._fail("invalid repeat count", counted[0])
        return least if most < 0 else most

    def _atom(self) -> _Piece | None:
        """Read one character, class, group or assertion; None for what only sets flags."""
        char = self._text[self._at]
        if char == "(":
            return self._group()
        if char == "[":
            return _Piece(self._folded(python_class(self._class())))
        if char == "\\":
            return self._escape()
        self._at += 1
        special = {
            ".": "(?s:.)" if self._flags.dot_newline else "[^\\n]",
            "^": "(?m:^)" if self._flags.multi_line else "\\A",
            "$": "(?m:$)" if self._flags.multi_line else "\\Z",
        }
        return _Piece(special[char]) if char in special else self._literal(char)

    def _literal(self, char: str) -> _Piece:
        return _Piece(self._folded(re.escape(char)))

    def _folded(self, text: str) -> str:
        return f"(?i:{text})" if self._flags.fold_case else text

    def _group(self) -> _Piece | None:
        start, before = self._at, self._flags
        opening = "("
        if self._looking_at("(?"):
            if named := _NAMED.match(self._text, start):
                opening = self._name(named)
            elif flags := _FLAGS.match(self._text, start):
                self._at = flags.end()
                self._flags = before.changed(flags[1], to=True).changed(flags[2] or "", to=False)
                if flags[3] == ")":
                    return None
                opening = "(?:"
            else:
                raise self._fail(
                    "invalid or unsupported Perl syntax", self._text[start : start + 3]
                )
        else:
            self._at += 1
        self._level += 1
        if self._level > _MAX_NESTING:
            raise self._fail("expression nests too deeply", self._text)
        inner = self._alternation()
        if not self._looking_at(")"):
            raise self._fail("missing closing )", self._text)
        self._at += 1
        self._level -= 1
        self._flags = before
        return _Piece(f"{opening}{inner.text})", inner.repeats)

    def _name(self, named: re.Match[str]) -> str:
        self._at = named.end()
        if named[1] in self._names:
            raise self._fail("invalid named capture", named[1])
        self._names.add(named[1])
        # Go lets a name begin with a digit; Python does not, and no template can tell it from a number.
        return f"(?P<{named[1]}>" if named[1].isidentifier() else "("

    def _escape(self) -> _Piece:
        char = self._text[self._at + 1 : self._at + 2]
        if char and char in "AbBz":
            self._at += 2
            return _Piece({"A": "\\A", "z": "\\Z"}.get(char, f"(?a:\\{char})"))
        ranges = self._class_escape()
        if ranges is not None:
            return _Piece(self._folded(python_class(ranges)))
        return self._literal(chr(self._code_point()))

    def _class_escape(self) -> Ranges | None:
        r"""Read `\d` and its like or a Unicode class; None if neither stands here."""
        char = self._text[self._at + 1 : self._at + 2]
        if char and char.lower() in PERL:
            self._at += 2
            found = PERL[char.lower()]
            return found if char.islower() else complement(found)
        unicode_class = _UNICODE_CLASS.match(self._text, self._at + 1)
        if unicode_class is None:
            if char and char in "pP":
                raise self._fail("invalid character class range", self._text[self._at :])
            return None
        written = "\\" + unicode_class[0]
        self._at += len(written)
        name = unicode_class[1] or unicode_class[3]
        if name != "Any" and name not in CATEGORIES:
            raise PromqlError(
                f"regular expression class {written} is not supported: pgwatch knows Unicode's"
                " categories, such as \\p{Lu}, but not its scripts"
            )
        found = [(0, LAST)] if name == "Any" else category(name)
        return found if (char == "p") is not bool(unicode_class[2]) else complement(found)

    def _code_point(self) -> int:
        """Read an escape that stands for one character."""
        rest = self._text[self._at + 1 : self._at + 12]
        if not rest:
            raise self._fail("trailing backslash at end of expression", "")
        char = rest[0]
        length, value = 2, -1
        if octal := _OCTAL.match(rest):
            length, value = 1 + octal.end(), int(octal[0], 8)
        elif hexadecimal := _HEX.match(rest):
            length, value = 1 + hexadecimal.end(), int(hexadecimal[1] or hexadecimal[2], 16)
        elif char in _CONTROL:
            value = _CONTROL[char]
        elif char.isascii() and not char.isalnum():
            value = ord(char)
        if not 0 <= value <= LAST:
            raise self._fail("invalid escape sequence", "\\" + char)
        self._at += length
        return value

    def _class(self) -> Ranges:
        start = self._at
        self._at += 1
        negated = self._looking_at("^")
        self._at += negated
        ranges: Ranges = []
        first = True
        while first or not self._looking_at("]"):
            if self._at >= len(self._text):
                raise self._fail("missing closing ]", self._text[start:])
            ranges += self._class_item(start)
            first = False
        self._at += 1
        return complement(ranges) if negated else ranges

    def _class_item(self, start: int) -> Ranges:
        if posix := _POSIX_CLASS.match(self._text, self._at):
            if posix[2] not in POSIX:
                raise self._fail("invalid character class range", posix[0])
            self._at = posix.end()
            return complement(POSIX[posix[2]]) if posix[1] else POSIX[posix[2]]
        if self._looking_at("\\") and (ranges := self._class_escape()) is not None:
            return ranges
        begin = self._at
        low = high = self._class_character(start)
        if self._looking_at("-") and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._class_character(start)
            if high < low:
                raise self._fail("invalid character class range", self._text[begin : self._at])
        return [(low, high)]

    def _class_character(self, start: int) -> int:
        if self._at >= len(self._text):
            raise self._fail("missing closing ]", self._text[start:])
        if self._looking_at("\\"):
            return self._code_point()
        self._at += 1
        return ord(self._text[self._at - 1])


def _last_operators(text: str, end: int) -> str:
    """Return the run of repeat operators that ends at `end`, for a message."""
    start = end
    while start > 0 and text[start - 1] in "*+?":
        start -= 1
    return text[start:end] or text[:end]
