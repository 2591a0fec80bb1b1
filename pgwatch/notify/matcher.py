"""Matchers as Alertmanager's configuration writes them, in both of its grammars.

Alertmanager reads a text with its UTF-8 parser (`matcher/parse`) and with its classic one
(`pkg/labels/parse.go`); where they disagree the classic reading wins, as in its default fallback mode. Its
feature flags `classic-mode` and `utf8-strict-mode` leave one of them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from pgwatch.promql.errors import PromqlError
from pgwatch.promql.regex import compile_regex
from pgwatch.samples.labels import Labels, Matcher, MatchType

_OPERATORS: Final = ("=~", "!~", "!=", "=")
_RESERVED: Final = frozenset("{}!=~,\\\"'`")
_CLASSIC: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_CLASSIC_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_GO_ESCAPES: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_TYPE_ORDER: Final = tuple(MatchType)  # =, !=, =~, !~: Alertmanager's order too


class MatcherMode(StrEnum):
    """Which grammars are read, and with them which label names there may be."""

    FALLBACK = "fallback"
    CLASSIC = "classic"
    UTF8_STRICT = "utf8-strict"

    def has_name(self, name: str) -> bool:
        """Return whether `name` may be a label's name."""
        return is_classic_name(name) if self is MatcherMode.CLASSIC else bool(name)


class MatcherError(ValueError):
    """A text is not a matcher; the message says why."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The matchers of one text, and what the user should be told about how it was read."""

    matchers: tuple[Matcher, ...]
    warning: str = ""


def matcher(name: str, type: MatchType, value: str) -> Matcher:  # noqa: A002 (the field's name)
    """Return a Matcher with its pattern compiled; raises MatcherError on a bad pattern or name."""
    if not name:
        raise MatcherError("a matcher needs a label name")
    if type in (MatchType.EQUAL, MatchType.NOT_EQUAL):
        return Matcher(name, type, value)
    try:
        return Matcher(name, type, value, compile_regex(value, dot_newline=False))
    except PromqlError as error:
        raise MatcherError(f"{name}: {value!r} is not a regular expression: {error}") from error


def parse_matchers(text: str, mode: MatcherMode = MatcherMode.FALLBACK) -> Parsed:
    """Return the matchers of `text`, such as `severity="critical"` or `{a=b,c=~"d.*"}`.

    Raises MatcherError if no grammar of the `mode` accepts it.
    """
    match mode:
        case MatcherMode.CLASSIC:
            return Parsed(_parse_classic(text))
        case MatcherMode.UTF8_STRICT:
            return Parsed(_parse_utf8(text))
        case MatcherMode.FALLBACK:
            return _parse_both(text)
        case _:
            assert_never(mode)


def _parse_both(text: str) -> Parsed:
    try:
        modern = _parse_utf8(text)
    except MatcherError as error:
        try:
            classic = _parse_classic(text)
        except MatcherError:
            raise error from None
        advice = "quote the value with double quotes, so that newer Alertmanagers read it too"
        return Parsed(
            classic, f"matcher {text!r} is only valid in the classic grammar ({error}); {advice}"
        )
    try:
        classic = _parse_classic(text)
    except MatcherError:
        return Parsed(modern)
    if classic != modern:
        return Parsed(classic, f"matcher {text!r} is ambiguous; read as {show(classic)}")
    return Parsed(modern)


def matches(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Return whether all of `matchers` accept `labels`."""
    return all(one.matches(labels) for one in matchers)


def in_order(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """Return `matchers` in Alertmanager's order (name, value, type), which group keys depend on."""
    return tuple(sorted(matchers, key=lambda m: (m.name, m.value, _TYPE_ORDER.index(m.type))))


def show(matchers: Iterable[Matcher]) -> str:
    """Return `matchers` as a group key writes them: `{a="b",c=~"^(?:d)$"}` (source: `Matchers.String`)."""
    return "{" + ",".join(_show(one) for one in matchers) + "}"


def _show(one: Matcher) -> str:
    value = one.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    plain = not any(rune in _RESERVED or rune.isspace() for rune in one.name)
    return f'{one.name if plain else go_quote(one.name)}{one.type}"{value}"'


def go_quote(text: str) -> str:
    """Return `text` as Go's `strconv.Quote` writes it."""
    named = {rune: f"\\{letter}" for letter, rune in _GO_ESCAPES.items()}
    named |= {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(named.get(rune) or _go_rune(rune) for rune in text) + '"'


def _go_rune(rune: str) -> str:
    code = ord(rune)
    if rune.isprintable():
        return rune
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _parse_classic(text: str) -> tuple[Matcher, ...]:
    """Read `text` as Alertmanager did before 0.27."""
    tokens, token, quoted, escaped = [], "", False, False
    for rune in text.removeprefix("{").removesuffix("}"):
        if rune == "," and not quoted:
            tokens.append(token)
            token = ""
            continue
        if rune == '"' and not escaped:
            quoted = not quoted
        escaped = rune == "\\" and not escaped
        token += rune
    if token.strip():
        tokens.append(token)
    return tuple(_classic_matcher(one) for one in tokens)


def _classic_matcher(text: str) -> Matcher:
    match = _CLASSIC.fullmatch(text)
    if match is None:
        raise MatcherError(f"bad matcher format: {text}")
    raw = match[3]
    quoted = raw.startswith('"')
    body = raw[1:] if quoted else raw
    value, index, closed = "", 0, not quoted
    while index < len(body):
        rune, after = body[index], body[index + 1 : index + 2]
        if rune == "\\" and after:
            # A backslash before anything else than n, " and \ stands for itself.
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(after, rune + after)
            index += 2
            continue
        if rune == '"':
            if closed or after:
                raise MatcherError(f"matcher value contains unescaped double quote: {raw}")
            closed = True
        else:
            value += rune
        index += 1
    if not closed:
        raise MatcherError(f"matcher value contains unescaped double quote: {raw}")
    return matcher(match[1], MatchType(match[2]), value)


@dataclass(slots=True)
class _Reader:
    """A position in a text that holds matchers in the UTF-8 grammar."""

    text: str
    at: int = field(default=0)

    def rest(self) -> str:
        """Skip white space and return what is left."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at :]

    def take(self, token: str) -> bool:
        """Skip `token` if it stands here."""
        found = self.rest().startswith(token)
        self.at += len(token) if found else 0
        return found

    def operator(self) -> MatchType:
        """Return the operator that stands here."""
        for operator in _OPERATORS:
            if self.take(operator):
                return MatchType(operator)
        raise self.error("expected an operator (=, !=, =~ or !~)")

    def word(self, what: str) -> str:
        """Return the quoted or bare text that stands here."""
        rest = self.rest()
        if rest.startswith('"'):
            return self._quoted()
        size = 0
        while size < len(rest) and not (rest[size] in _RESERVED or rest[size].isspace()):
            size += 1
        if not size:
            raise self.error(f"expected {what}")
        self.at += size
        return rest[:size]

    def _quoted(self) -> str:
        match = re.compile(r'"((?:[^"\\\n]|\\.)*)"').match(self.text, self.at)
        if match is None:
            raise self.error('missing end "')
        self.at = match.end()
        return re.sub(r"\\(x..|u.{4}|U.{8}|[0-7]{3}|.)", self._escape, match[1])

    def _escape(self, match: re.Match[str]) -> str:
        code = match[1]
        if code in ('"', "\\"):
            return code
        if code in _GO_ESCAPES:
            return _GO_ESCAPES[code]
        try:
            return chr(int(code, 8) if code[0].isdigit() else int(code[1:], 16))
        except (ValueError, OverflowError):
            raise self.error(f"invalid escape \\{code}") from None

    def error(self, message: str) -> MatcherError:
        """Return an error that names the position, from 0 as Alertmanager counts."""
        return MatcherError(f"{self.at}: {message}")


def _parse_utf8(text: str) -> tuple[Matcher, ...]:
    """Read `text` as Alertmanager does since 0.27 (`matcher/parse/parse.go`)."""
    reader = _Reader(text)
    braced = reader.take("{")
    found: list[Matcher] = []
    while (rest := reader.rest()) and not rest.startswith("}"):
        if found and not reader.take(","):
            raise reader.error("expected a comma between matchers")
        if found and (not reader.rest() or reader.rest().startswith("}")):
            break  # a trailing comma is allowed
        name = reader.word("a label name")
        found.append(matcher(name, reader.operator(), reader.word("a label value")))
    if braced != reader.take("}"):
        raise reader.error("expected a closing brace" if braced else "unexpected closing brace")
    if reader.rest():
        raise reader.error(f"unexpected input: {reader.rest()}")
    return tuple(found)


def is_classic_name(name: str) -> bool:
    """Return whether `name` is a label name of the classic data model, as `match` and `match_re` want it."""
    return _CLASSIC_NAME.fullmatch(name) is not None
