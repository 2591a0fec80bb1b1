"""The rules in force, written as files for a Prometheus."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from pgwatch.rules.export import rule_file, rule_files
from pgwatch.rules.load import load_rules, parse_rules
from pgwatch.rules.rule import Rule, RuleGroup
from pgwatch.share import share
from tests.servers import missing_peer

RULES = """
groups:
  - name: all keys
    interval: 90s
    query_offset: 30s
    limit: 7
    labels: {team: db, severity: info}
    rules:
      - record: "job:up:sum"
        expr: sum by (job) (up)
        labels: {yes: "on"}
      - alert: Down
        expr: |
          up == 0   # a comment
            and on (job) other
        for: 1h30m
        keep_firing_for: 5m
        labels: {severity: critical}
        annotations:
          summary: 'it''s {{ $labels.job }}: "down" # really'
          description: "two\\nlines – \\u00e4"
  - {name: empty}
  - name: plain
    rules: [{alert: A, expr: "vector(1)"}]
"""


def essence(rule: Rule) -> Rule:
    return replace(rule, id="", file="", line=0)


def same(ours: RuleGroup, theirs: RuleGroup) -> bool:
    return list(map(essence, ours.rules)) == list(map(essence, theirs.rules)) and (
        replace(ours, file="", rules=()) == replace(theirs, file="", rules=())
    )


def test_what_is_exported_loads_as_the_same() -> None:
    groups = parse_rules(RULES, file="r.yml")
    again = parse_rules(rule_file(groups), file="r.yml")
    assert [group.name for group in again] == ["all keys", "empty", "plain"]
    assert all(same(one, other) for one, other in zip(groups, again, strict=True))


def test_interval_is_written_where_the_default_holds() -> None:
    # Prometheus's own default is another.
    (group,) = parse_rules("groups: [{name: g, rules: [{alert: A, expr: x}]}]", file="r.yml")
    assert "interval: 15s" in rule_file([group])


def test_files_of_one_name_do_not_collide() -> None:
    groups = [
        group for folder in ("a", "b") for group in parse_rules(RULES, file=f"{folder}/r.yml")
    ]
    files = rule_files(groups)
    assert list(files) == ["r.yml", "r-2.yml"]
    assert "empty" not in files["r.yml"]


def export(folder: Path, settings: str) -> int:
    config = folder / "pgwatch.yml"
    config.write_text(settings)
    return main(["rules", "export", str(folder / "out"), "--config", str(config)])


def test_thresholds_are_set_and_disabled_rules_left_out(tmp_path: Path) -> None:
    settings = "rules: {disable: [PostgresUnusedIndex], set: {PostgresSlowQuery: 500ms}}"
    assert export(tmp_path, settings) == 0
    rules = {rule.name: rule for group in load_rules([tmp_path / "out"]) for rule in group.rules}
    assert "PostgresUnusedIndex" not in rules
    assert "0.5" in rules["PostgresSlowQuery"].query


def test_export_replaces_its_own_files_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, "") == 0
    assert export(tmp_path, "") == 0
    (tmp_path / "out" / "postgres.yml").write_text("groups: []\n")
    assert export(tmp_path, "") == 1
    assert "postgres.yml was not written by pgwatch" in capsys.readouterr().err
    assert (tmp_path / "out" / "postgres.yml").read_text() == "groups: []\n"


@pytest.mark.peer
def test_promtool_takes_every_file(tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        missing_peer("promtool")
    assert export(tmp_path, "") == 0
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == sorted(
        file.name for file in share("alerts").glob("*.yml")
    )
    done = subprocess.run(
        [promtool, "check", "rules", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
