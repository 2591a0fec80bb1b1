"""Inhibition, on the cases of Alertmanager's `inhibit/inhibit_test.go` and our own."""

import pytest

from pgwatch.notify.inhibit import Inhibitor, InhibitRule
from pgwatch.notify.matcher import parse_matchers
from pgwatch.samples.labels import Labels


def rule(source: str, target: str, *equal: str) -> InhibitRule:
    return InhibitRule(
        source=parse_matchers(source).matchers, target=parse_matchers(target).matchers, equal=equal
    )


DOWN = rule("alertname=PostgresDown", 'alertname!="PostgresDown"', "target")
TWO_SIDED = rule("s=1", "t=1", "e")


@pytest.mark.parametrize(
    ("of", "labels", "firing", "expected"),
    [
        pytest.param(
            DOWN,
            {"alertname": "Slow", "target": "a"},
            [{"alertname": "PostgresDown", "target": "a"}],
            True,
            id="explained",
        ),
        pytest.param(
            DOWN,
            {"alertname": "Slow", "target": "a"},
            [{"alertname": "PostgresDown", "target": "b"}],
            False,
            id="another target",
        ),
        pytest.param(
            DOWN,
            {"alertname": "Slow"},
            [{"alertname": "PostgresDown"}],
            True,
            id="absent on both sides is equal",
        ),
        pytest.param(
            DOWN,
            {"alertname": "PostgresDown", "target": "a"},
            [{"alertname": "PostgresDown", "target": "a"}],
            False,
            id="the source itself",
        ),
        pytest.param(DOWN, {"alertname": "Slow", "target": "a"}, [], False, id="nothing fires"),
        pytest.param(
            TWO_SIDED, {"t": "1", "e": "1"}, [{"s": "1", "e": "1"}], True, id="one-sided source"
        ),
        pytest.param(
            TWO_SIDED,
            {"t": "1", "e": "1"},
            [{"s": "1", "t": "1", "e": "1"}],
            True,
            id="two-sided source, one-sided target",
        ),
        pytest.param(
            TWO_SIDED,
            {"s": "1", "t": "1", "e": "1"},
            [{"s": "1", "t": "1", "e": "1", "x": "1"}],
            False,
            id="two-sided both: they do not silence each other",
        ),
        pytest.param(
            TWO_SIDED,
            {"s": "1", "t": "1", "e": "1"},
            [{"s": "1", "e": "1"}],
            True,
            id="two-sided target, one-sided source",
        ),
        pytest.param(
            rule("", "", "e"), {"e": "1"}, [{"e": "1"}], False, id="an empty rule silences nothing"
        ),
    ],
)
def test_inhibits(
    of: InhibitRule, labels: dict[str, str], firing: list[dict[str, str]], expected: bool
) -> None:
    inhibitor = Inhibitor([of], [Labels(one) for one in firing])
    assert inhibitor.inhibits(Labels(labels)) is expected


def test_any_rule_is_enough() -> None:
    inhibitor = Inhibitor([DOWN, TWO_SIDED], [Labels({"s": "1"})])
    assert inhibitor.inhibits(Labels({"t": "1"}))
