"""Matchers in both of Alertmanager's grammars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwatch.notify.matcher import MatcherError, go_quote, in_order, matcher, parse_matchers, show
from pgwatch.samples.labels import Labels, MatchType


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a=b", '{a="b"}', id="bare value"),
        pytest.param('a="b"', '{a="b"}', id="quoted value"),
        pytest.param(' a != "b" ', '{a!="b"}', id="white space"),
        pytest.param("{a=b,c=~d.*,}", '{a="b",c=~"d.*"}', id="braces and a trailing comma"),
        pytest.param('a="x,y", b!~"z"', '{a="x,y",b!~"z"}', id="comma inside quotes"),
        pytest.param('"foo bar"=baz', '{"foo bar"="baz"}', id="quoted name"),
        pytest.param("foo🙂=bar", '{foo🙂="bar"}', id="UTF-8 name"),
        pytest.param(r'a="say \"hi\"\n"', r'{a="say \"hi\"\n"}', id="escapes"),
        pytest.param("a=", '{a=""}', id="classic: no value at all"),
        pytest.param("a=b c", '{a="b c"}', id="classic: bare value with a space"),
        pytest.param("", "{}", id="nothing matches everything"),
    ],
)
def test_text_is_read_as_alertmanager_reads_it(text: str, expected: str) -> None:
    assert show(parse_matchers(text).matchers) == expected


@pytest.mark.parametrize(
    "text", ["a", "=b", "a=b=c}", '"a=b', 'a="b', "a=~(", "{a=b", 'a="b"c', ",", "a=b,,c=d"]
)
def test_what_neither_grammar_has_is_refused(text: str) -> None:
    if text in ("{a=b", "a=b=c}"):  # the classic grammar drops one brace of a pair
        assert parse_matchers(text).warning
        return
    with pytest.raises(MatcherError):
        parse_matchers(text)


def test_disagreement_is_read_classically_with_a_warning() -> None:
    parsed = parse_matchers(r'a="\x41"')
    assert parsed.matchers[0].value == r"\x41"
    assert "ambiguous" in parsed.warning


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {}, False),
        ('a=""', {}, True),
        ("a!=b", {}, True),
        ("a=~b|c", {"a": "c"}, True),
        ("a=~b", {"a": "bb"}, False),
        ("a!~b.*", {"a": "bb"}, False),
        ("a!~b.*", {}, True),
    ],
)
def test_absent_is_empty_and_patterns_are_anchored(
    text: str, labels: dict[str, str], expected: bool
) -> None:
    assert parse_matchers(text).matchers[0].matches(Labels(labels)) is expected


def test_order_is_by_name_value_and_operator() -> None:
    b, a2, a1n, a1 = (
        matcher("b", MatchType.EQUAL, "1"),
        matcher("a", MatchType.EQUAL, "2"),
        matcher("a", MatchType.NOT_EQUAL, "1"),
        matcher("a", MatchType.EQUAL, "1"),
    )
    assert in_order([b, a2, a1n, a1]) == (a1, a1n, a2, b)


def test_quoting_is_gos() -> None:
    assert go_quote('a"\\\n\x00é\u200b🙂') == '"a\\"\\\\\\n\\x00é\\u200b🙂"'


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_shown_is_read_back(value: str) -> None:
    one = matcher("a", MatchType.EQUAL, value)
    assert parse_matchers(show([one])).matchers == (one,)
