"""`pgwatch rules test`: what it prints, and promtool's exit status."""

import json
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from tests.servers import ROOT

RULES = "groups: [{name: g, rules: [{alert: High, expr: x > 1}]}]"
TESTS = """
rule_files: [rules.yml]
tests:
  - name: quiet
    input_series: [{series: x, values: "1"}]
    alert_rule_test: [{eval_time: 0m, alertname: High}]
  - input_series: [{series: x, values: "%s"}]
    alert_rule_test: [{eval_time: 0m, alertname: High, exp_alerts: [{}]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "good.yml").write_text(TESTS % 2)
    (tmp_path / "failing.yml").write_text(TESTS % 0)
    (tmp_path / "broken.yml").write_text("rule_files: [nowhere.yml]\ntests: []\n")
    return tmp_path


def test_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "good.yml"
    assert main(["rules", "test", str(file)]) == 0
    assert capsys.readouterr().out == f"Unit Testing:  {file}\n  SUCCESS (2 tests)\n\n"


def test_each_failure_is_told_and_other_files_go_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(folder / f"{name}.yml") for name in ("broken", "failing", "good")]
    assert main(["rules", "test", *files]) == 1
    out = capsys.readouterr().out
    assert "no file matches 'nowhere.yml'" in out
    assert "    test 2:\n        alertname High, time 0s:\n          expected:\n" in out
    assert "quiet" not in out
    assert out.endswith("SUCCESS (2 tests)\n\n")


def test_tests_can_be_chosen(folder: Path) -> None:
    file = str(folder / "failing.yml")
    assert main(["rules", "test", file, "--run", "^quiet$"]) == 0
    assert main(["rules", "test", file, "--run", "test 2"]) == 1


def test_no_test_chosen_is_no_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "test", str(folder / "good.yml"), "--run", "renamed"]) == 2
    assert "--run: no test has a name in which 'renamed' is found" in capsys.readouterr().err


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "test", str(folder / "failing.yml"), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert [(test["name"], test["passed"]) for test in row["tests"]] == [
        ("quiet", True),
        ("test 2", False),
    ]


def test_pattern_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["rules", "test", str(folder / "good.yml"), "--run", "("])
    assert caught.value.code == 2
    assert "is no regular expression" in capsys.readouterr().err


def test_shipped_tests_pass() -> None:
    assert main(["rules", "test", *map(str, (ROOT / "alerts" / "tests").glob("*.yml"))]) == 0
