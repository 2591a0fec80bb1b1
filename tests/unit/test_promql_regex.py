r"""RE2's syntax: what Go refuses is refused, the rest matches as Go would.

The expected answers are those of google-re2, except two that Go alone refuses (nesting, equal names).
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgwatch.promql.errors import PromqlError
from pgwatch.promql.regex import MAX_LENGTH, compile_regex

MATCHES = [
    ("", "", True),
    ("a||b", "", True),
    ("a.c", "a\nc", True),  # `.` matches a newline since Prometheus 3
    ("(?-s)a.c", "a\nc", False),
    ("a$", "a\n", False),  # `$` is the very end
    ("(?m)a$\nb", "a\nb", True),
    ("^*a", "a", True),
    ("a(?i)b|c", "aB", True),  # a flag holds to the end of its group, across `|`
    ("a(?i)b|c", "C", True),
    ("a(?i)b|c", "Ab", False),
    ("(?:(?i)a)b", "AB", False),
    ("(?i:K)", "\u212a", True),  # the Kelvin sign folds to k
    ("(?U)a+", "aaa", True),
    (r"\d+", "12", True),
    (r"\d", "٣", False),  # ASCII only
    (r"\w+", "é", False),
    (r"\s", "\v", False),
    (r"[[:space:]]", "\v", True),
    (r"\bfoo\b", "foo", True),
    (r"\pL+", "éa", True),
    (r"\p{Lu}", "É", True),
    (r"\p{^Lu}", "É", False),
    (r"\PL", "1", True),
    (r"[\pN_]", "٣", True),
    (r"\Qa.b\E+", "a.bb", True),
    (r"\Qa.b", "a.b", True),
    (r"\Aab\z", "ab", True),
    (r"\x{41}\x42\101", "ABA", True),
    (r"\_\-", "_-", True),
    (r"[\d-z]", "-", True),
    (r"[a-]", "-", True),
    (r"[]a]", "]", True),
    (r"[^]a]", "]", False),
    (r"[\]]", "]", True),
    (r"[[:^digit:]]", "5", False),
    (r"[^[:^digit:]]", "5", True),
    (r"[\D]", "x", True),
    ("[^a]", "\n", True),
    ("[--/]", ".", True),
    ("[a&&b]", "&", True),
    ("a{,3}", "a{,3}", True),  # literal: RE2 wants the lower bound
    ("a{2}", "aa", True),
    ("a{2,}?", "aaaa", True),
    ("a{01}", "a{01}", True),
    ("{{foo}}", "{{foo}}", True),
    ("(?P<x>a)(?<y>b)", "ab", True),
    ("(a*)*", "aaa", True),
    ("a|b*", "bb", True),
    ("äöü", "äöü", True),
    ("x{0}", "", True),
    ("a*(?i)*b(?)", "aB", True),
]


@pytest.mark.parametrize(("pattern", "text", "matches"), MATCHES)
def test_matches_as_re2(pattern: str, text: str, matches: bool) -> None:
    assert (compile_regex(pattern).fullmatch(text) is not None) is matches


REFUSED = [
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?<=a)b", "invalid or unsupported Perl syntax: `(?<`"),
    ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
    ("(?#c)", "invalid or unsupported Perl syntax: `(?#`"),
    ("(?-)a", "invalid or unsupported Perl syntax: `(?-`"),
    ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"),
    (r"\u0041", r"invalid escape sequence: `\u`"),
    (r"\Z", r"invalid escape sequence: `\Z`"),
    (r"\y", r"invalid escape sequence: `\y`"),
    (r"\x{110000}", r"invalid escape sequence: `\x`"),
    ("a\\", "trailing backslash at end of expression: ``"),
    ("a++", "invalid nested repetition operator: `++`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a*??", "invalid nested repetition operator: `*??`"),
    ("*a", "missing argument to repetition operator: `*`"),
    ("a|+", "missing argument to repetition operator: `+`"),
    ("(?i)*", "missing argument to repetition operator: `*`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ("(a{500}){3}", "invalid repeat count: `{3}`"),
    ("[a", "missing closing ]: `[a`"),
    ("[z-a]", "invalid character class range: `z-a`"),
    ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
    ("(a", "missing closing ): `(a`"),
    ("a)", "unexpected ): `a)`"),
    ("(?P<a>x)(?P<a>y)", "invalid named capture: `a`"),
    ("(" * 100 + ")" * 100, "expression nests too deeply"),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED)
def test_refuses_what_go_refuses(pattern: str, message: str) -> None:
    with pytest.raises(PromqlError, match=re.escape(f"error parsing regexp: {message}")):
        compile_regex(pattern)


def test_unicode_scripts_are_refused_by_name() -> None:
    with pytest.raises(PromqlError, match=re.escape(r"\p{Greek} is not supported")):
        compile_regex(r"\p{Greek}")


def test_length_is_limited() -> None:
    compile_regex("a" * MAX_LENGTH)
    with pytest.raises(PromqlError, match="longer than"):
        compile_regex("a" * (MAX_LENGTH + 1))


def test_groups_keep_their_numbers_and_names() -> None:
    match = compile_regex(r"(?i)(\w+)-(?P<rest>(?:x|y)(z)?)").fullmatch("ab-Xz")
    assert match is not None
    assert match.groups() == ("ab", "Xz", "z")
    assert match["rest"] == "Xz"


def test_newline_is_a_choice() -> None:
    assert compile_regex("a.b", dot_newline=False).fullmatch("a\nb") is None


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(st.text(alphabet=r"ab1.*+?|()[]{}^$\-,:PpdQE<>ié", max_size=15))
def test_any_text_gives_a_pattern_or_a_message(pattern: str) -> None:
    try:
        compiled = compile_regex(pattern)
    except PromqlError:
        return
    compiled.fullmatch("ab")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=30))
def test_a_quoted_text_matches_itself_only(text: str) -> None:
    if "\\E" in text:
        return
    compiled = compile_regex(f"\\Q{text}\\E")
    assert compiled.fullmatch(text)
    assert not compiled.fullmatch(text + "x")
