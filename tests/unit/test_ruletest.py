"""Tests of rules: promtool's semantics, checked against promtool itself where it is installed."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pgwatch.alerts.ruletest import run_test_file
from pgwatch.alerts.testfile import load_tests, read_labels, read_values
from pgwatch.errors import InputError
from pgwatch.samples.labels import Labels
from tests.servers import ROOT, missing_peer

VALUES = [
    ("1 2.5 -3", [1, 2.5, -3]),
    ("0+10x3", [0, 10, 20, 30]),
    ("5-2x2", [5, 3, 1]),
    ("-2+4x1", [-2, 2]),
    ("7x2", [7, 7, 7]),
    ("0x2", [0, 0, 0]),  # not hexadecimal
    ("_ _x2 1", [None, None, None, 1]),
    ("1 stale 2", [1, "stale", 2]),
    ("1e3 .5 +Inf", [1000, 0.5, math.inf]),
    ("", []),
]


@pytest.mark.parametrize(("text", "values"), VALUES)
def test_values(text: str, values: list[float | str | None]) -> None:
    assert list(read_values(text)) == values


@pytest.mark.parametrize("text", ["x", "1+2", "{{schema:0}}", "1x", "1y5", "1x999999999"])
def test_bad_values(text: str) -> None:
    with pytest.raises(ValueError, match=r"value|increment"):
        read_values(text)


def test_labels() -> None:
    assert read_labels('up{job="x"}') == Labels({"__name__": "up", "job": "x"})
    assert read_labels("{}") == Labels()
    for wrong in ('up{job=~"x"}', "1", "up +"):
        with pytest.raises(ValueError):
            read_labels(wrong)


RULES = """
groups:
  - name: g
    interval: 7m   # does not matter: every group is evaluated at each evaluation_interval
    rules:
      - record: job:m:sum
        expr: sum by (job) (m)
      - alert: High
        expr: job:m:sum > 5
        for: 2m
        labels: {severity: warning}
        annotations: {summary: "{{ $labels.job }} has {{ $value }}"}
      - alert: Kept
        expr: m > 5
        keep_firing_for: 2m
      - alert: Url
        expr: absent(nothing)
        annotations: {u: "{{ $externalURL }} {{ $externalLabels.dc }}"}
      - alert: Clash
        expr: clash
        labels: {i: same}
"""
INPUT = """
    input_series:
      - {series: 'm{job="a",i="1"}', values: '1 3 3 3 3 _ _ _ _ _ _ 3'}
      - {series: 'm{job="a",i="2"}', values: '1 3 3 3 1 stale'}
      - {series: 'm{job="b",i="1"}', values: '6 6 stale'}
"""
HIGH = '{exp_labels: {severity: warning, job: a}, exp_annotations: {summary: "a has 6"}}'
KEPT = "{exp_labels: {job: b, i: '1'}}"
URL = "{exp_annotations: {u: http://here x}}"
M = 'm{job="a",i="1"}'
HIGH_B, HIGH_7 = HIGH.replace("job: a", "job: b"), HIGH.replace("has 6", "has 7")


def alert(time: str, name: str, *expected: str) -> str:
    return f"alert_rule_test: [{{eval_time: {time}, alertname: {name}, exp_alerts: [{', '.join(expected)}]}}]"


def expr(text: str, time: str, *expected: tuple[str, str]) -> str:
    samples = ", ".join(f"{{labels: '{labels}', value: {value}}}" for labels, value in expected)
    return f"promql_expr_test: [{{expr: '{text}', eval_time: {time}, exp_samples: [{samples}]}}]"


PENDING = 'sum by (alertname, alertstate) (ALERTS{alertname="High", job="a"})'
SINCE = 'ALERTS_FOR_STATE{alertname="High",job="a",severity="warning"}'

CASES = [
    # a name, the test, whether it passes
    ("pending does not count", alert("2m", "High"), True),
    ("fires", alert("3m", "High", HIGH), True),
    ("does not fire", alert("3m", "High"), False),
    ("fires once", alert("3m", "High", HIGH, HIGH), False),
    ("between two steps", alert("3m59s", "High", HIGH), True),
    ("over", alert("4m", "High"), True),
    ("wrong label", alert("3m", "High", HIGH_B), False),
    ("wrong annotation", alert("3m", "High", HIGH_7), False),
    ("unknown name is quiet", alert("3m", "Nobody"), True),
    ("fires at once", alert("0m", "Kept", KEPT), True),
    ("kept", alert("3m", "Kept", KEPT), True),
    ("kept no longer", alert("4m", "Kept"), True),
    (
        "external",
        f"external_labels: {{dc: x}}\n    external_url: http://here\n    {alert('0m', 'Url', URL)}",
        True,
    ),
    (
        "recorded",
        expr("job:m:sum", "1m", ('job:m:sum{job="a"}', "6"), ('job:m:sum{job="b"}', "6")),
        True,
    ),
    ("alerts", expr(PENDING, "2m", ('{alertname="High",alertstate="pending"}', "1")), True),
    ("alerts since", expr('ALERTS_FOR_STATE{job="a"}', "2m", (SINCE, "60")), True),
    ("looked back for", expr(M, "8m", (M, "3")), True),
    ("not for ever", expr(M, "10m"), True),
    ("stale is gone at once", expr('m{job="b"}', "2m"), True),
    ("wrong value", expr("1 + 1", "2m", ("{}", "3")), False),
    ("a scalar has no labels", expr("1 + 1", "2m", ("{}", "2")), True),
    ("an element too many", expr("m", "0m", ('m{job="b",i="1"}', "6")), False),
]


def write(folder: Path, body: str) -> Path:
    (folder / "rules.yml").write_text(RULES)
    file = folder / "test.yml"
    tests = f"tests:\n  - interval: 1m{INPUT}    {body}\n"
    file.write_text(f"rule_files: ['*les.yml']\nevaluation_interval: 1m\n{tests}")
    return file


each_case = pytest.mark.parametrize(
    ("body", "passes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


@each_case
def test_semantics(tmp_path: Path, body: str, passes: bool) -> None:
    (result,) = run_test_file(write(tmp_path, body))
    assert (result.failures == ()) is passes, result.failures


@pytest.mark.peer
@each_case
def test_promtool_agrees(tmp_path: Path, body: str, passes: bool) -> None:
    if (program := shutil.which("promtool")) is None:
        missing_peer("promtool")
    run = subprocess.run(
        [program, "test", "rules", str(write(tmp_path, body))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) is passes, run.stdout + run.stderr


def test_a_rule_that_fails_ends_its_test(tmp_path: Path) -> None:
    file = write(tmp_path, "alert_rule_test: [{eval_time: 3m, alertname: Clash}]")
    file.write_text(
        file.read_text().replace(
            "    input_series:\n",
            "    input_series:\n"
            "      - {series: 'clash{i=\"1\"}', values: '_ 1'}\n"
            "      - {series: 'clash{i=\"2\"}', values: '_ 1'}\n",
        )
    )
    (result,) = run_test_file(file)
    (failure,) = result.failures
    assert failure.startswith("time 1m: rule Clash: vector contains metrics with the same labelset")


def test_a_failure_shows_both_sides(tmp_path: Path) -> None:
    body = "alert_rule_test: [{eval_time: 3m, alertname: High}]"
    (result,) = run_test_file(write(tmp_path, body))
    assert result.name == "test 1"
    assert result.failures == (
        "alertname High, time 3m:\n  expected: nothing\n  got:\n"
        '    {alertname="High", job="a", severity="warning"}\n      summary: a has 6',
    )


def test_tests_are_chosen_by_name(tmp_path: Path) -> None:
    file = tmp_path / "test.yml"
    (tmp_path / "rules.yml").write_text(RULES)
    file.write_text("rule_files: [rules.yml]\ntests: [{name: one}, {name: two}]")
    assert [result.name for result in run_test_file(file, only=re.compile("tw"))] == ["two"]


BAD_FILES = [
    ("tests: [{nam: x}]", "tests[0].nam: unknown key"),
    ("rule_files: [nothing.yml]", "rule_files[0]: no file matches 'nothing.yml'"),
    ("tests: [{input_series: [{series: up, values: x}]}]", "values: 'x' is no value"),
    ("tests: [{input_series: [{series: 'up{', values: 1}]}]", "series: 1:4: parse error"),
    ("tests: [{alert_rule_test: [{eval_time: soon, alertname: A}]}]", "'soon' is not a duration"),
    ("tests: [{alert_rule_test: [{eval_time: 1m}]}]", "expected the key alertname"),
    ("tests: [{promql_expr_test: [{expr: 'up ='}]}]", "expr: 1:4: parse error"),
    ("tests: [{promql_expr_test: [{expr: up, exp_samples: [{value: x}]}]}]", "'x' is no number"),
    ("tests: {}\nx: y", "x: unknown key"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "test.yml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_tests(file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


@pytest.mark.parametrize(
    "file", sorted((ROOT / "alerts" / "tests").glob("*.yml")), ids=lambda f: f.stem
)
def test_shipped_rules_pass_their_tests_with_our_engine(file: Path) -> None:
    for result in run_test_file(file):
        assert result.failures == (), result.name
