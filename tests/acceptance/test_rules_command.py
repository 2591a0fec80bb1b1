"""`pgwatch rules`: what is in force, and whether files are good."""

import json
import re
from pathlib import Path

from pgwatch.share import share
from tests.gate import pgwatch


def test_the_rules_in_force(tmp_path: Path) -> None:
    ran = pgwatch("rules", "list", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "postgres (every 15s)\n  PostgresDown" in ran.out
    assert re.search(r"PostgresDown +critical  post         for 30s\n +pg_up == 0\n", ran.out)
    rows = json.loads(pgwatch("rules", "list", "--json", cwd=tmp_path).out)
    (down,) = (row for row in rows if row["name"] == "PostgresDown")
    assert down["query"] == "pg_up == 0"
    assert (down["type"], down["for_seconds"], down["group"]) == ("alerting", 30.0, "postgres")
    assert down["annotations"]["summary"] == "PostgreSQL {{ $labels.target }} is down"
    assert (Path(down["file"]).name, down["line"] > 0) == ("postgres.yml", True)


def test_the_settings_change_what_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(
        "groups: [{name: own, interval: 1m, rules: ["
        "{record: own:up, expr: sum(pg_up)}, {alert: Own, expr: own:up < 1}]}]\n"
    )
    (tmp_path / "pgwatch.yml").write_text(
        "rules:\n  files: [own.yml]\n  disable: [PostgresDown]\n  set: {PostgresSlowQuery: 2500ms}\n"
    )
    ran = pgwatch("rules", "list", cwd=tmp_path)
    assert "PostgresDown" not in ran.out
    assert "pg_activity_longest_query_seconds > 2.5" in ran.out
    assert "own (every 1m)\n  own:up" in ran.out
    (tmp_path / "pgwatch.yml").write_text("rules: {disable: [PostgresDwon]}\n")
    wrong = pgwatch("rules", "list", cwd=tmp_path)
    assert (wrong.status, wrong.out) == (2, "")
    assert "did you mean PostgresDown?" in wrong.err


def test_good_files(tmp_path: Path) -> None:
    files = [str(file) for file in sorted(share("alerts").glob("*.yml"))]
    ran = pgwatch("rules", "check", *files, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert re.search(r": \d+ groups with \d+ rules, all good\n$", ran.out)
    (tmp_path / "one.yml").write_text(
        "groups: [{name: g, rules: [{record: r, expr: 'sum(pg_up)'}]}]\n"
    )
    ran = pgwatch("rules", "check", "one.yml", cwd=tmp_path)
    assert ran.out == "one.yml: 1 group with 1 rule, all good\n"


def test_values_that_pgwatch_does_not_know_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(
        "groups:\n- name: g\n  rules:\n"
        "  - {alert: A, expr: pg_up == 0, labels: {severity: critcal}}\n"
        "  - {alert: B, expr: pg_up == 0, labels: {severity: info, phase: konstraints}}\n"
        "  - {alert: C, expr: pg_up == 0, labels: {severity: '{{ if true }}info{{ end }}'}}\n"
        "  - {record: r, expr: pg_up, labels: {severity: odd}}\n"
    )
    (tmp_path / "pgwatch.yml").write_text("rules: {files: [r.yml]}\n")
    severity = "rule A has the severity 'critcal', which counts as warning; known are critical, warning, info"
    phase = (
        "rule B has the phase 'konstraints', which counts as post; known are pre, structure, types"
    )
    for command in (["rules", "check", "r.yml"], ["rules", "lint", "r.yml"], ["config", "check"]):
        ran = pgwatch(*command, cwd=tmp_path)
        first, second = ran.err.splitlines()
        assert ran.status == 0
        assert first.startswith("warning: ")
        assert first.endswith(f"r.yml:4: {severity}")
        assert f"r.yml:5: {phase}" in second
        assert "all good" not in ran.out
    assert len(json.loads(pgwatch("config", "check", "--json", cwd=tmp_path).out)["warnings"]) == 2


def test_all_problems_of_all_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - {alert: A, expr: 'sum(', for: soon}\n"
        "      - {alert: B, expr: m, annotations: {summary: '{{ .Nope'}}\n"
    )
    (tmp_path / "b.yml").write_text("groups: nonsense\n")
    ran = pgwatch("rules", "check", "a.yml", "b.yml", "none.yml", cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["a.yml"] * 3 + ["b.yml", "none.yml"]
    assert "parse error: unclosed left parenthesis" in ran.err
    assert "could not parse the template" in ran.err


def test_a_file_must_be_named(tmp_path: Path) -> None:
    assert pgwatch("rules", "check", cwd=tmp_path).status == 2
    assert pgwatch("rules", cwd=tmp_path).status == 2
