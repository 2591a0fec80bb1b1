"""Tokens of PromQL, with their places and Prometheus's messages for what is not one.

Source: Prometheus 3 `promql/parser/lex.go` for what a token is, and the Go specification for the escapes
in strings.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from pgwatch.promql.errors import PromqlSyntaxError
from pgwatch.promql.signature import AGGREGATIONS


class Kind(StrEnum):
    """What a token is; the values are the words of "unexpected …" messages."""

    END = "end of input"
    IDENTIFIER = "identifier"
    METRIC = "metric identifier"  # an identifier with a colon
    KEYWORD = "keyword"
    AGGREGATION = "aggregation"
    OPERATOR = "operator"
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    PUNCTUATION = "punctuation"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` as written, in lower case for keywords, operators and aggregations."""

    kind: Kind
    text: str
    start: int  # offset in characters
    end: int

    def __str__(self) -> str:
        """Return the token as "unexpected …" messages name it."""
        if self.kind is Kind.END:
            return str(self.kind)
        if self.kind in _BARE:
            return _BARE[self.kind].format(self.text)
        if self.kind is Kind.PUNCTUATION:
            return go_quote(self.text)
        cut = self.kind not in (Kind.IDENTIFIER, Kind.METRIC) and len(self.text) > 10
        return f"{self.kind} {go_quote(self.text[:10]) + '...' if cut else go_quote(self.text)}"


_BARE = {Kind.KEYWORD: "<{}>", Kind.AGGREGATION: "<aggr:{}>", Kind.OPERATOR: "<op:{}>"}
_WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
KEYWORDS = frozenset(
    {
        "bool",
        "by",
        "end",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "start",
        "without",
    }
)

_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NUMBER = re.compile(
    r"(?:0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
    r"|(?:[0-9]+(?:_[0-9]+)*\.?(?:[0-9]+(?:_[0-9]+)*)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?)"
    r"(?![a-zA-Z0-9_.])"
)
_DURATION = re.compile(r"[0-9.]+[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?![a-zA-Z0-9_])")
_NUMBERLIKE = re.compile(r"[0-9.][a-zA-Z0-9_.]*")
_OPERATOR = re.compile(r"==|!=|<=|>=|[-+*/%^<>@]")
_MATCH_OPERATOR = re.compile(r"=~|!~|!=")
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_NUMERIC_ESCAPES = {"x": (2, 16, 255), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}


class Lexer:
    """Gives the tokens of a text one by one, so that the first thing wrong is what is reported."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = 0
        self._parentheses = 0
        self._in_braces = False
        self._in_brackets = False

    def next(self) -> Token:
        """Return the next token, `Kind.END` for ever after the last.

        Raises PromqlSyntaxError at what is not a token, and at a bracket without its partner.
        """
        skipped = _SKIP.match(self.text, self._at)
        self._at = skipped.end() if skipped else self._at
        if self._at >= len(self.text):
            return self._end()
        char = self.text[self._at]
        if char in "\"'`":
            return self._string(char)
        if self._in_braces:
            return self._inside_braces(char)
        if char in "([{}])":
            return self._bracket(char)
        if self._in_brackets:
            return self._inside_brackets(char)
        return self._plain(char)

    def _token(self, kind: Kind, end: int, text: str | None = None) -> Token:
        token = Token(kind, self.text[self._at : end] if text is None else text, self._at, end)
        self._at = end
        return token

    def _fail(self, message: str) -> PromqlSyntaxError:
        return syntax_error(self.text, self._at, message)

    def _end(self) -> Token:
        if self._in_braces:
            raise self._fail("unexpected end of input inside braces")
        if self._in_brackets:
            raise self._fail("unexpected end of input in duration expression")
        if self._parentheses:
            raise self._fail("unclosed left parenthesis")
        return Token(Kind.END, "", self._at, self._at)

    def _bracket(self, char: str) -> Token:
        if char == "(":
            self._parentheses += 1
        elif char == ")":
            self._parentheses -= 1
            if self._parentheses < 0:
                raise self._fail("unexpected right parenthesis ')'")
        elif char == "{":
            self._in_braces = True
        elif char == "[":
            if self._in_brackets:
                raise self._fail("unexpected left bracket '['")
            self._in_brackets = True
        elif char == "]":
            if not self._in_brackets:
                raise self._fail("unexpected right bracket ']'")
            self._in_brackets = False
        else:
            raise self._fail("unexpected character: '}'")
        return self._token(Kind.PUNCTUATION, self._at + 1)

    def _inside_braces(self, char: str) -> Token:
        if char in "}," or (char == "=" and not self.text.startswith("=~", self._at)):
            self._in_braces = char != "}"
            return self._token(Kind.PUNCTUATION, self._at + 1)
        if word := _LABEL.match(self.text, self._at):
            return self._token(Kind.IDENTIFIER, word.end())
        if operator := _MATCH_OPERATOR.match(self.text, self._at):
            return self._token(Kind.OPERATOR, operator.end())
        if char == "{":
            raise self._fail("unexpected left brace '{'")
        if char == "!":
            after = self.text[self._at + 1 : self._at + 2]
            raise self._fail(f"unexpected character after '!' inside braces: {go_rune(after)}")
        raise self._fail(f"unexpected character inside braces: {go_rune(char)}")

    def _inside_brackets(self, char: str) -> Token:
        if char in ":,":
            return self._token(Kind.PUNCTUATION, self._at + 1)
        if char.isascii() and char.isdigit():
            return self._number()
        if char in "+-*/%^":
            return self._token(Kind.OPERATOR, self._at + 1)
        word = _LABEL.match(self.text, self._at)
        if word and word[0].lower() in {"step", "range", "min", "max"}:
            return self._token(Kind.KEYWORD, word.end(), word[0].lower())
        raise self._fail(f"unexpected character in duration expression: {go_rune(char)}")

    def _plain(self, char: str) -> Token:
        if word := _WORD.match(self.text, self._at):
            return self._word(word)
        following = self.text[self._at + 1 : self._at + 2]
        if char in "0123456789" or (char == "." and following in set("0123456789")):
            return self._number()
        if operator := _OPERATOR.match(self.text, self._at):
            return self._token(Kind.OPERATOR, operator.end())
        if char == "," or (char == "=" and following != "~"):
            return self._token(Kind.PUNCTUATION, self._at + 1)
        if char in "=!":
            raise self._fail(f"unexpected character after '{char}': {go_rune(following)}")
        raise self._fail(f"unexpected character: {go_rune(char)}")

    def _word(self, word: re.Match[str]) -> Token:
        lower = word[0].lower()
        if lower in AGGREGATIONS:
            return self._token(Kind.AGGREGATION, word.end(), lower)
        if lower in _WORD_OPERATORS:
            return self._token(Kind.OPERATOR, word.end(), lower)
        if lower in KEYWORDS:
            return self._token(Kind.KEYWORD, word.end(), lower)
        if lower in {"inf", "nan"}:
            return self._token(Kind.NUMBER, word.end())
        return self._token(Kind.METRIC if ":" in lower else Kind.IDENTIFIER, word.end())

    def _number(self) -> Token:
        if number := _NUMBER.match(self.text, self._at):
            return self._token(Kind.NUMBER, number.end())
        if duration := _DURATION.match(self.text, self._at):
            return self._token(Kind.DURATION, duration.end())
        wrong = _NUMBERLIKE.match(self.text, self._at)
        text = wrong[0] if wrong else ""
        raise self._fail(f"bad number or duration syntax: {go_quote(text)}")

    def _string(self, opening: str) -> Token:
        at = self._at + 1
        while True:
            char = self.text[at : at + 1]
            if char == opening:
                return self._token(Kind.STRING, at + 1)
            if opening == "`":
                if not char:
                    raise self._fail("unterminated raw string")
            elif char in ("", "\n"):
                raise self._fail("unterminated quoted string")
            elif char == "\\":
                at = self._escape(at + 1, opening)
                continue
            at += 1

    def _escape(self, at: int, opening: str) -> int:
        """Return the place after the escape whose backslash stands before `at`."""
        char = self.text[at : at + 1]
        if char and (char in _ESCAPES or char == opening):
            return at + 1
        if not char:
            raise self._fail("escape sequence not terminated")
        if char in "01234567":
            digits, base, largest = 3, 8, 255
        elif char in _NUMERIC_ESCAPES:
            digits, base, largest = _NUMERIC_ESCAPES[char]
            at += 1
        else:
            raise self._fail(f"unknown escape sequence {_code_point(char)}")
        for digit in self.text[at : at + digits].ljust(digits, "\0"):
            if digit == "\0":
                raise self._fail("escape sequence not terminated")
            if digit not in "0123456789abcdefABCDEF"[: 8 if base == 8 else 22]:
                raise self._fail(f"illegal character {_code_point(digit)} in escape sequence")
        number = int(self.text[at : at + digits], base)
        if number > largest or 0xD800 <= number < 0xE000:
            raise self._fail("escape sequence is an invalid Unicode code point")
        return at + digits


_ESCAPE = re.compile(r"\\(?:([0-7]{3})|x(..)|u(....)|U(.{8})|(.))", re.DOTALL)


def unquote(text: str) -> str:
    """Return the value of the string token `text`; bytes that are no UTF-8 become U+FFFD."""
    if text[0] == "`":
        return text[1:-1]

    def value(match: re.Match[str]) -> str:
        octal, byte, short, long, simple = match.groups()
        if octal or byte:  # escapes of bytes: their meaning needs their neighbours
            return chr(0xDC00 + (int(octal, 8) if octal else int(byte, 16)))
        if short or long:
            return chr(int(short or long, 16))
        return chr(_ESCAPES[simple]) if simple in _ESCAPES else str(simple)

    replaced = _ESCAPE.sub(value, text[1:-1])
    if not any(0xDC00 <= ord(char) <= 0xDCFF for char in replaced):
        return replaced
    raw = b"".join(
        bytes([ord(char) - 0xDC00]) if 0xDC00 <= ord(char) <= 0xDCFF else char.encode()
        for char in replaced
    )
    return raw.decode(errors="replace")


def syntax_error(text: str, at: int, message: str) -> PromqlSyntaxError:
    """Return the error `message` about the character at offset `at` of `text`."""
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return PromqlSyntaxError(message, line=line, column=column)


def go_quote(text: str) -> str:
    """Return `text` in double quotes, about as Go's %q writes it."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def go_rune(char: str) -> str:
    """Return one character in single quotes, about as Go's %q writes it; U+FFFD if there is none."""
    escapes = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "": "�"}
    return f"'{escapes.get(char, char)}'"


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X} {go_rune(char)}"
