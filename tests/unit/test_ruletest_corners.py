"""Corners of promtool's unit tests where another implementation is likely to disagree with it."""

# ruff: noqa: E501 - a case is a line

import shutil
import subprocess
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from tests.servers import missing_peer

RULES = r"""
groups:
  - name: second
    interval: 10m
    rules:
      - {alert: OfRecorded, expr: late > 1}
  - name: first
    rules:
      - {record: late, expr: m}
      - {record: "m:double", expr: m * 2, labels: {job: rec, empty: ""}}
      - {alert: Over, expr: "m:double > 4", for: 2m, keep_firing_for: 3m}
      - alert: Labelled
        expr: m > 1
        labels: {size: "{{ if gt $value 2.0 }}big{{ else }}small{{ end }}", none: "{{ $labels.nobody }}"}
        annotations:
          text: '{{ $value | printf "%.2f" }} {{ humanize 12345.0 }} {{ $labels.job | toUpper }}'
          asked: '{{ with query "m" }}{{ . | first | value }}{{ end }}'
      - {alert: Twins, expr: m > 1}
      - {alert: Twins, expr: m > 2, labels: {severity: high}}
      - {alert: Failing, expr: m, annotations: {a: "{{ template \"nowhere\" }}"}}
  - name: limited
    limit: 1
    rules:
      - {alert: Limited, expr: n > 0}
  - name: clashing
    rules:
      - {alert: Clashing, expr: c > 0, labels: {i: same}}
"""


def series(name: str, values: str) -> str:
    return f"input_series: [{{series: '{name}', values: '{values}'}}]"


def alert(time: str, name: str, *expected: str) -> str:
    return f"alert_rule_test: [{{eval_time: {time}, alertname: {name}, exp_alerts: [{', '.join(expected)}]}}]"


def expr(text: str, time: str, *expected: tuple[str, str]) -> str:
    samples = ", ".join(f"{{labels: '{labels}', value: {value}}}" for labels, value in expected)
    return f"promql_expr_test: [{{expr: '{text}', eval_time: {time}, exp_samples: [{samples}]}}]"


def of(*parts: str) -> str:
    # Debian's promtool does not know the default of `interval`.
    first = () if parts[0].startswith(("interval", "series:")) else ("interval: 1m",)
    return "tests:\n  - " + "\n    ".join([*first, *parts])


OVER = "{exp_labels: {job: rec}}"
BIG = "{exp_labels: {job: a, size: big}, exp_annotations: {text: '3.00 12.35k A', asked: '3'}}"

CASES: list[tuple[str, str, bool]] = [  # name, the file, whether promtool says that it passes
    ("no tests", "tests: []", True),
    ("empty file", "", True),
    ("test without anything", "tests: [{}]", True),
    ("unknown key", "test: []", False),
    ("unknown key in a test", of("series: []"), False),
    ("broken series", of(series("m{", "1"), expr("m", "0m")), False),
    ("broken values", of(series("m", "1 a"), expr("m", "0m")), False),
    ("broken expression", of(series("m", "1"), expr("m{", "0m")), False),
    ("broken duration", of(series("m", "1"), expr("m", "1 minute")), False),
    ("no eval_time is 0", of(series("m", "7 8"), "promql_expr_test: [{expr: m, exp_samples: [{labels: m, value: 7}]}]"), True),
    ("one value times zero", of(series("m", "1x0 2"), expr("m", "1m", ("m", "2"))), True),
    ("rising from a negative", of(series("m", "-3+2x2"), expr("m", "2m", ("m", "1"))), True),
    ("falling below zero", of(series("m", "1-2x2"), expr("m", "2m", ("m", "-3"))), True),
    ("exponents", of(series("m", "1e3 2.5e-1"), expr("m", "1m", ("m", "0.25"))), True),
    ("infinite", of(series("m", "+Inf -Inf"), expr("m", "1m", ("m", "-.inf"))), True),
    ("no number equals itself", of(series("m", "NaN"), expr("m", "0m", ("m", ".nan"))), False),
    ("many missing", of(series("m", "1 _x9 2"), expr("m", "10m", ("m", "2"))), True),
    ("missing is not stale", of(series("m", "1 _ _"), expr("m", "2m", ("m", "1"))), True),
    ("stale and back", of(series("m", "1 stale 3"), expr("m", "1m"), ), True),
    ("stale in the middle of a window", of(series("m", "1 stale 3"), expr("count_over_time(m[5m])", "2m", ("{}", "2"))), True),
    ("values nearly equal", of(series("m", "0.1"), expr("m + 0.2", "0m", ("{}", "0.3"))), False),
    ("values written otherwise", of(series("m", "1000"), expr("m", "0m", ("m", "1e3"))), True),
    ("spaces in a label set", of(series('m{ a = "b" , }', "1"), expr("m", "0m", ('m{a="b"}', "1"))), True),
    ("name in braces", of(series('{__name__="m"}', "1"), expr("m", "0m", ("m", "1"))), True),
    ("the name is compared", of(series("m", "1"), expr("m", "0m", ("{}", "1"))), False),
    ("order does not matter", of("input_series: [{series: 'm{i=\"1\"}', values: 1}, {series: 'm{i=\"2\"}', values: 2}]", expr("m", "0m", ('m{i="2"}', "2"), ('m{i="1"}', "1"))), True),
    ("interval of the series", of("interval: 10s", series("m", "0+1x60"), expr("m", "1m", ("m", "6"))), True),
    ("evaluated each evaluation_interval only", "evaluation_interval: 7m\n" + of("interval: 1m", series("m", "0+1x20"), expr("late", "6m", ("late", "0"))), False),
    ("recorded when evaluated", "evaluation_interval: 3m\n" + of("interval: 1m", series("m", "0+1x20"), expr("late", "5m", ("late", "3"))), True),
    ("interval of a group does not matter", of(series("m", "0 5 5"), alert("2m", "OfRecorded", "{}")), True),
    ("groups in order", "group_eval_order: [first, second]\n" + of(series("m", "5"), alert("0m", "OfRecorded", "{}")), True),
    ("group that is not there", "group_eval_order: [nobody]\n" + of(series("m", "2"), alert("0m", "Twins", "{}")), True),
    ("a label of a recording rule replaces", of(series('m{job="a"}', "5"), expr("m:double", "0m", ('m:double{job="rec"}', "10"))), True),
    ("for is over", of(series('m{job="a"}', "3x9"), alert("2m", "Over", OVER)), True),
    ("for is not over", of(series('m{job="a"}', "3x9"), alert("1m59s", "Over", OVER)), False),
    ("for begins anew", of(series('m{job="a"}', "3 3 0 3 3"), alert("4m", "Over")), True),
    ("kept", of(series('m{job="a"}', "3 3 3 0x9"), alert("5m", "Over", OVER)), True),
    ("kept no longer", of(series('m{job="a"}', "3 3 3 0x9"), alert("6m", "Over")), True),
    ("kept, then back", of(series('m{job="a"}', "3 3 3 0 0 3 0 0 0 0"), alert("8m", "Over", OVER)), True),
    ("templates", of(series('m{job="a"}', "3"), alert("0m", "Labelled", BIG)), True),
    ("annotations are compared", of(series('m{job="a"}', "3"), alert("0m", "Labelled", BIG.replace("12.35k", "12k"))), False),
    ("a label may change", of(series("m", "2 3"), alert("1m", "Labelled")), False),
    ("two rules of one name", of(series("m", "3"), alert("0m", "Twins", "{}", "{exp_labels: {severity: high}}")), True),
    ("one of two is not enough", of(series("m", "3"), alert("0m", "Twins", "{}")), False),
    ("alertname may be written", of(series("m", "2"), alert("0m", "Twins", "{exp_labels: {alertname: Twins}}")), True),
    ("other alertname", of(series("m", "2"), alert("0m", "Twins", "{exp_labels: {alertname: Other}}")), True),
    ("over the limit", of("input_series: [{series: 'n{i=\"1\"}', values: 1}, {series: 'n{i=\"2\"}', values: 1}]", alert("0m", "Limited")), False),
    ("at the limit", of(series("n", "1"), alert("0m", "Limited", "{}")), True),
    ("same labels twice", of("input_series: [{series: 'c{i=\"1\"}', values: 1}, {series: 'c{i=\"2\"}', values: 1}]", alert("0m", "Over")), False),
    ("an error in another test", of(series("c", "1"), alert("0m", "Clashing", "{exp_labels: {i: same}}")), True),
    ("alerts as series", of(series('m{job="a"}', "3x5"), expr('ALERTS{alertname="Over"}', "1m", ('ALERTS{alertname="Over",alertstate="pending",job="rec"}', "1"))), True),
    ("alerts since", of(series('m{job="a"}', "0 3x5"), expr('ALERTS_FOR_STATE{alertname="Over"}', "4m", ('ALERTS_FOR_STATE{alertname="Over",job="rec"}', "60"))), True),
    ("time begins in 1970", of(expr("time()", "90s", ("{}", "90"))), True),
    ("a scalar has no labels", of(expr("1 + 1", "0m", ("", "2"))), True),
    ("a text is no vector", of(expr('"a"', "0m")), False),
    ("a range is no vector", of(series("m", "1"), expr("m[5m]", "0m")), False),
    ("a subquery", of(series("m", "0+1x9"), expr("max_over_time(m[3m:1m])", "5m", ("{}", "5"))), True),
    ("external labels are not in alerts", of("external_labels: {dc: x}", series("m", "2"), alert("0m", "Twins", "{}")), True),
    ("two tests see different data", of(series("m", "2"), expr("m", "0m", ("m", "2"))) + "\n  - interval: 1m\n    " + expr("m", "0m"), True),
    ("the second test fails", of(series("m", "2"), expr("m", "0m", ("m", "2"))) + "\n  - interval: 1m\n    " + expr("m", "0m", ("m", "2")), False),
]  # fmt: skip

each_case = pytest.mark.parametrize(
    ("body", "passes"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)


def write(folder: Path, body: str) -> str:
    (folder / "rules.yml").write_text(RULES)
    file = folder / "test.yml"
    head = "" if "rule_files" in body or not body else "rule_files: [rules.yml]\n"
    file.write_text(head + body + "\n")
    return str(file)


@each_case
def test_verdict(tmp_path: Path, body: str, passes: bool) -> None:
    assert main(["rules", "test", write(tmp_path, body)]) == (0 if passes else 1)


@pytest.mark.peer
@each_case
def test_promtool_agrees(tmp_path: Path, body: str, passes: bool) -> None:
    if (promtool := shutil.which("promtool")) is None:
        missing_peer("promtool")
    command = [promtool, "test", "rules", write(tmp_path, body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if passes else 1), done.stdout + done.stderr
