"""Rule files: what they may say, every problem with its place, thresholds and disabled rules."""

from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.errors import InputError
from pgwatch.rules.load import DEFAULT_INTERVAL, load_rules, parse_rules
from pgwatch.rules.rule import AlertingRule, Phase, RecordingRule, Severity

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

GOOD = """
groups:
  - name: one
    interval: 30s
    query_offset: 1m
    limit: 10
    labels: {team: db, severity: info}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {kind: x}
      - alert: Down
        expr: |
          up == 0
            and on() vector(1)
        for: 5m
        keep_firing_for: 2m
        labels: {severity: critical, phase: pre, port: 0x10, on: yes}
        annotations:
          summary: "{{ $labels.instance }} is down"
      - alert: Down
        expr: 1
  - name: two
"""


def test_a_good_file() -> None:
    one, two = parse_rules(GOOD, file="r.yml")
    assert (one.name, one.file, one.limit) == ("one", "r.yml", 10)
    assert (one.interval, one.query_offset) == (timedelta(seconds=30), timedelta(minutes=1))
    assert (two.interval, two.rules) == (DEFAULT_INTERVAL, ())
    record, down, again = one.rules
    assert isinstance(record, RecordingRule)
    assert isinstance(down, AlertingRule)
    assert isinstance(again, AlertingRule)
    assert record.labels == {"team": "db", "severity": "info", "kind": "x"}
    assert (down.hold, down.keep_firing_for) == (timedelta(minutes=5), timedelta(minutes=2))
    assert (down.severity, down.phase) == (Severity.CRITICAL, Phase.PRE)
    assert down.labels == {
        "team": "db",
        "severity": "critical",
        "phase": "pre",
        "port": "0x10",
        "on": "yes",
    }
    assert down.annotations == {"summary": "{{ $labels.instance }} is down"}
    assert str(down.expr) == "up == 0 and on () vector(1)"
    assert down.line == 12
    assert [rule.id for rule in one.rules] == [
        "r.yml;one;job:up:sum;0",
        "r.yml;one;Down;0",
        "r.yml;one;Down;1",
    ]


@pytest.mark.parametrize("text", ["", "groups:", "groups: []", "# nothing"])
def test_an_empty_file_has_no_groups(text: str) -> None:
    assert parse_rules(text, file="r.yml") == []


BAD = [
    ("[]", "r.yml:1:1: expected a mapping with the key 'groups'"),
    ("groups: x", "r.yml:1:1: groups: expected a list of groups"),
    ("group: []", "r.yml:1:1: group: unknown key"),
    ("groups: [x]", "groups[0]: expected a mapping"),
    ("groups: [{rules: []}]", "groups[0].name: a group needs a name"),
    ("groups: [{name: a, rule: []}]", "groups[0].rule: unknown key; did you mean rules?"),
    ("groups: [{name: a}, {name: a}]", "1:22: groups[1].name: the group name 'a' is repeated"),
    ("groups: [{name: a, limit: -1}]", "groups[0].limit: expected a whole number"),
    ("groups: [{name: a, interval: 5}]", "groups[0].interval: '5' is not a duration"),
    ("groups: [{name: a, interval: [5m]}]", "groups[0].interval: expected a text"),
    ("groups: [{name: a, rules: x}]", "groups[0].rules: expected a list of rules"),
]
BAD_RULES = [
    ("{expr: up}", "one of 'record' and 'alert' must be set"),
    ("{alert: A, record: b, expr: up}", "only one of 'record' and 'alert' must be set"),
    ("{alert: A}", "field 'expr' must be set in rule"),
    ("{alert: A, expr: up, four: 5m}", "four: unknown key; did you mean for?"),
    ("{alert: A, expr: up, for: 5 minutes}", "for: '5 minutes' is not a duration"),
    ("{record: a, expr: up, for: 5m}", "invalid field 'for' in recording rule"),
    ("{record: a, expr: up, annotations: {}}", "invalid field 'annotations' in recording rule"),
    ("{record: a, expr: up, keep_firing_for: 5m}", "invalid field 'keep_firing_for'"),
    ("{record: 'a{b}', expr: up}", "braces present in the recording rule name"),
    ("{alert: A, expr: up, labels: {__name__: x}}", "labels.__name__: a rule may not set"),
    ("{alert: A, expr: up, labels: [x]}", "labels: expected a mapping"),
    ("{alert: A, expr: up, labels: {x: [1]}}", "labels.x: expected a text"),
    ("{alert: A, expr: up, labels: {x: '{{ $y }}'}}", "undefined variable '$y'"),
    ("{alert: A, expr: up, annotations: {x: '{{ nope }}'}}", "function 'nope' not defined"),
    (
        "{alert: A, expr: 'up ='}",
        "r.yml:1:49: groups[0].rules[0].expr: could not parse the expression: 1:4",
    ),
    ("{alert: A, expr: 'rate(up)'}", "1:6: parse error: expected type range vector"),
    ("{alert: A, expr: 'info(up)'}", "experimental"),
]


@pytest.mark.parametrize(
    ("text", "message"),
    [*BAD, *((f"groups: [{{name: a, rules: [{rule}]}}]", message) for rule, message in BAD_RULES)],
)
def test_a_bad_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rules(text, file="r.yml")
    assert message in str(caught.value)


def test_anchors_and_merges_are_read() -> None:
    text = """
groups:
  - name: g
    labels: &team {team: db}
    rules:
      - {alert: A, expr: up, labels: {<<: *team, x: y}}
"""
    (group,) = parse_rules(text, file="r.yml")
    assert group.rules[0].labels == {"team": "db", "x": "y"}


def test_an_error_in_a_block_names_the_line_of_the_file() -> None:
    text = "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: |\n      up\n        + foo bar\n"
    with pytest.raises(InputError) as caught:
        parse_rules(text, file="r.yml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (7, 15)
    assert text.splitlines()[6][14:] == "bar"


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("groups: [{name: x, rules: [{alert: A}, {record: b}]}]")
    (tmp_path / "b.yaml").write_text("groups: {")
    (tmp_path / "c.yml").write_bytes(b"\xff")
    (tmp_path / "notes.txt").write_text("not a rule file")
    with pytest.raises(InputError) as caught:
        load_rules([tmp_path, tmp_path / "missing.yml"])
    files = [Path(problem.file).name for problem in caught.value.problems]
    assert files == ["a.yml", "a.yml", "b.yaml", "c.yml", "missing.yml"]


def test_a_folder_without_rules_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no \*\.yml file"):
        load_rules([tmp_path])


def test_shipped_rules_load_and_do_not_know_where_they_are_installed() -> None:
    groups = load_rules([], builtin=ROOT / "alerts")
    names = {rule.name for group in groups for rule in group.rules}
    assert {"PostgresDown", "PostgresSlowQuery", "PostgresConstraintNotValidated"} <= names
    ids = [rule.id for group in groups for rule in group.rules]
    assert all(rule_id.startswith("builtin/") for rule_id in ids)
    assert len(set(ids)) == len(ids)


def test_rules_of_others_load() -> None:
    folder = SHARED / "peers" / "rules"
    if not folder.is_dir():
        pytest.skip("../shared is not here")
    groups = load_rules([folder])
    assert sum(len(group.rules) for group in groups) > 40


THRESHOLDS = """
groups:
  - name: g
    rules:
      - {alert: Slow, expr: query_seconds > 1}
      - {alert: High, expr: used / max > 0.8}
      - {alert: Many, expr: n >= 80}
      - {alert: Left, expr: 0.9 < ratio}
      - {alert: Negative, expr: x < -5}
      - {alert: Down, expr: up == 0}
      - {alert: Both, expr: a > 0.8 and b > 100}
      - alert: Marked
        expr: |
          a / b > 0.8   # threshold
          and b > 100   # too few to judge
      - {alert: Twice, expr: x > 1, labels: {severity: warning}}
      - {alert: Twice, expr: x > 2, labels: {severity: critical}}
      - {alert: Same, expr: x > 3}
      - {alert: Same, expr: y > 3}
      - {alert: Same, expr: z}
"""

SET = [
    ("Slow", "500ms", ["query_seconds > 0.5"]),
    ("Slow", "1h", ["query_seconds > 3600"]),
    ("Slow", "2.5", ["query_seconds > 2.5"]),
    ("High", "85%", ["used / max > 0.85"]),
    ("High", "0.85", ["used / max > 0.85"]),
    ("Many", "10GiB", ["n >= 10737418240"]),
    ("Many", "90", ["n >= 90"]),
    ("Left", "95%", ["0.95 < ratio"]),
    ("Negative", "-10", ["x < -10"]),
    ("Marked", "50 %", ["a / b > 0.5   # threshold\nand b > 100   # too few to judge\n"]),
    ('Twice{severity="critical"}', "7", ["x > 1", "x > 7"]),
    ("Same", "4", ["x > 4", "y > 4", "z"]),
]


@pytest.mark.parametrize(("key", "quantity", "queries"), SET)
def test_a_threshold_is_set_in_place(
    key: str, quantity: str, queries: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "r.yml"
    file.write_text(THRESHOLDS)
    (group,) = load_rules([file], thresholds={key: quantity})
    name = key.partition("{")[0]
    changed = [rule for rule in group.rules if rule.name == name]
    assert [rule.query for rule in changed] == queries
    assert [rule.expr for rule in changed] != []
    (before,) = load_rules([file])
    untouched = [rule for rule in before.rules if rule.name != name]
    assert [rule for rule in group.rules if rule.name != name] == untouched


NOT_SET = [
    ("Down", "1", "Down has no threshold: it compares (>, >=, <, <=) with no number"),
    ("Both", "1", "Both compares with 2 numbers (0.8, 100); in the rule, mark the one"),
    ("Twice", "1", "2 rules are called Twice, with different thresholds; choose by a label"),
    ("Slwo", "1", "there is no rule Slwo; did you mean Slow?"),
    ('Slow{severity="x"}', "1", "there is no rule Slow"),
    ("1 +", "1", "is no name of a rule"),
    ("Slow", "fast", "'fast' is no threshold; write it like 500ms, 85%, 10GiB or 1000"),
    ("Slow", "inf", "'inf' is no threshold"),
    ("Many", "85%", "'85%' is a share of 1, and the rule compares with 80; write a plain number"),
]


@pytest.mark.parametrize(("key", "quantity", "message"), NOT_SET)
def test_a_threshold_that_cannot_be_set_says_why(
    key: str, quantity: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "r.yml"
    file.write_text(THRESHOLDS)
    with pytest.raises(InputError) as caught:
        load_rules([file], thresholds={key: quantity})
    (problem,) = caught.value.problems
    assert (problem.file, problem.path) == ("configuration", f"rules.set.{key}")
    assert message in problem.message


def test_disabled_rules_are_left_out_and_unknown_ones_are_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "r.yml"
    file.write_text(THRESHOLDS)
    (group,) = load_rules([file], disable=["Same", "Down"])
    assert {"Same", "Down"}.isdisjoint(rule.name for rule in group.rules)
    with pytest.raises(
        InputError, match=r"rules\.disable\[1\]: there is no rule 'Slo'; did you mean"
    ):
        load_rules([file], disable=["Same", "Slo"])


def test_the_templates_of_the_shipped_rules_parse() -> None:
    """Loading them as the shipped ones leaves that out; here they are read like anybody's."""
    assert load_rules([ROOT / "alerts"])
    broken = 'groups: [{name: g, rules: [{alert: A, expr: m, labels: {a: "{{ nonsense }}"}}]}]'
    assert parse_rules(broken, file="f", proven=True)
    with pytest.raises(InputError):
        parse_rules(broken, file="f")
