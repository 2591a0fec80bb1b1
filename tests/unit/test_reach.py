"""How far back expressions read, and which rules the history is too short for."""

from datetime import timedelta

import pytest

from pgwatch.promql import ast
from pgwatch.promql.parser import parse
from pgwatch.promql.reach import reach, read_since
from pgwatch.rules.load import load_rules, parse_rules
from pgwatch.rules.reach import short_of_history
from pgwatch.share import share

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("expr", "minutes"),
    [
        ("1", 0),
        ("m", 5),
        ("m offset 1d", 1445),
        ("m offset -1h", 0),
        ("increase(m[24h])", 1440),  # the window has its own end; the lookback is of instants
        ("increase(m[1h] offset 30m)", 90),
        ("max_over_time(m[30m:1m])", 35),
        ("max_over_time(rate(m[10m])[30m:1m] offset 5m)", 45),
        ("sum(m) - (sum(m offset 1h)) > 2", 65),
        ("topk(scalar(m offset 10m), n)", 15),
    ],
)
def test_reach(expr: str, minutes: int) -> None:
    assert reach(parse(expr)) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("expr", "seconds"),
    [
        ("m", 1000 - 300),
        ("m offset 1m", 1000 - 360),
        ("m offset -10m", 1000 + 300),
        ("m @ 500", 500 - 300),
        ("m @ end() offset 20s", 2000 - 320),
        ("m @ start()", 1000 - 300),
        ("rate(m[1m])", 1000 - 60),
        ("rate(m[1m] @ 500 offset 10s)", 500 - 70),
        ("max_over_time(m[10m:1m])", 1000 - 900),
        ("max_over_time((m @ 1500)[10m:1m])", 1500 - 300),
        ("max_over_time(rate(m[1m])[10m:1m] @ 1500 offset 1m)", 1500 - 720),
        ("m + m offset 1h", 1000 - 3900),  # of both the one that goes further back
        ("sum(m) / topk(scalar(m offset 10m), m)", 1000 - 900),
    ],
)
def test_read_since(expr: str, seconds: int) -> None:
    parsed = parse(expr)
    since = read_since(parsed, 1_000_000, 2_000_000, 300_000)
    assert since == {ast.selectors(parsed)[0].matchers: seconds * 1000}


def test_a_rule_that_needs_more_history_than_there_is_is_named() -> None:
    text = """groups:
- name: g
  query_offset: 1m
  rules:
  - alert: Day
    expr: increase(m[24h]) > 0
  - record: within
    expr: increase(m[59m])
  - record: "without"
    expr: increase(m[1h])
"""
    groups = parse_rules(text, file="rules.yml")
    assert short_of_history(groups, HOUR) == [
        "rules.yml:5: rule Day looks back 1d1m, and samples are kept for 1h (key retention)",
        "rules.yml:9: rule without looks back 1h1m, and samples are kept for 1h (key retention)",
    ]
    assert short_of_history(groups, timedelta(days=2)) == []


def test_the_shipped_rules_make_do_with_the_default() -> None:
    assert short_of_history(load_rules((), builtin=share("alerts")), HOUR) == []
