"""`pgwatch simulate`: given and kept samples through rules and routes; nothing is sent."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgwatch.cli.main import main
from pgwatch.daemon.history import write_history
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from tests.timeline import at

RULES = """
groups:
  - name: g
    interval: 30s
    rules:
      - {record: "debt:max", expr: max by (target) (debt)}
      - alert: Debt
        expr: debt:max > 0
        for: 1m
        labels: {severity: warning}
        annotations: {summary: "{{ $value }} of {{ $labels.target }}"}
      - {alert: Broken, expr: "debt * on (target) other"}
"""
ROUTES = """
route: {receiver: r, group_by: [alertname], group_wait: 10s, group_interval: 1m}
receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
"""
SAMPLES = """
rule_files: [rules.yml]
tests:
  - name: it comes and goes
    interval: 30s
    input_series: [{series: 'debt{target="db"}', values: '0 1x7 0x4'}]
  - name: two of one target
    input_series:
      - {series: 'other{target="db",n="1"}', values: '1x3'}
      - {series: 'other{target="db",n="2"}', values: '1x3'}
      - {series: 'debt{target="db"}', values: '0x3'}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "am.yml").write_text(ROUTES)
    (tmp_path / "samples.yml").write_text(SAMPLES)
    return tmp_path


def simulate(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["simulate", "--json", "--alertmanager-config", "am.yml", *options]) == 0
    return json.loads(capsys.readouterr().out)


def seconds(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["time"][11:19], one["status"], one["reason"]) for one in messages]


def test_given_samples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = simulate(capsys, "--samples", "samples.yml", "--run", "comes")
    # True from 0:30 on and for a minute: it fires at 1:30, and the value is 0 at 4:30.
    assert seconds(found["messages"]) == [
        ("00:01:40", "firing", "first notification"),
        ("00:04:40", "resolved", "all alerts resolved"),
    ]
    (one,) = found["messages"][0]["alerts"]
    assert one["labels"] == {"alertname": "Debt", "severity": "warning", "target": "db"}
    assert one["annotations"] == {"summary": "1 of db"}
    assert found["fired"] == {"Debt": 1}


def test_rule_that_fails_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = simulate(capsys, "--samples", "samples.yml")[1]
    (failure,) = found["errors"]
    assert failure["rule"] == "Broken"
    assert "many-to-many" in failure["error"] or "duplicate" in failure["error"]
    assert not found["messages"]


def test_edited_rules_over_kept_samples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(retention=timedelta(hours=1))
    family = Family("debt", MetricType.GAUGE, "")
    recorded = Family("debt:max", MetricType.GAUGE, "")
    for minute in range(10):
        for source, one in ((Source("db", "core/debt"), family), (Source("", "rule/x"), recorded)):
            labels = Labels({"__name__": one.name, "target": "db"})
            time_ms = round(at(60 * minute).timestamp() * 1000)
            answer = Collected(
                source=source,
                time_ms=time_ms,
                families=(one,),
                labels=(labels,),
                values=(9.0 if one is recorded else float(minute),),
            )
            store.append(answer)
    write_history(folder / "kept", store.kept())
    (folder / "rules.yml").write_text(RULES.replace("> 0", "> 5"))
    (found,) = simulate(capsys, "--history", "kept", "--rules", "rules.yml")
    # What was recorded then (9) is recorded anew: it is over 5 from 3:06 on, and fires a minute later.
    assert seconds(found["messages"]) == [("03:07:10", "firing", "first notification")]
    assert main(["simulate", "--history", "kept", "--from", "2030-01-01"]) == 2
    assert "nothing is left of it" in capsys.readouterr().err
    late = simulate(
        capsys, "--history", "kept", "--rules", "rules.yml", "--from", at(480).isoformat()
    )
    assert late[0]["messages"] == []  # it begins with nothing, and ends before the minute is over
    wide = ("--from", "1971-01-01T00:00Z", "--until", "9000-01-01T00:00Z")
    (whole,) = simulate(capsys, "--history", "kept", "--rules", "rules.yml", *wide)
    assert whole == found, "years without samples are not played"


def keep(folder: Path, *series: tuple[Source, str, dict[int, float]]) -> None:
    """Write a history of (source, labels, values by minute)."""
    store = Store(retention=timedelta(hours=2))
    family = Family("debt", MetricType.GAUGE, "")
    answers = sorted(
        (minute, place, value)
        for place, (_, _, values) in enumerate(series)
        for minute, value in values.items()
    )
    for minute, place, value in answers:
        source, target, _ = series[place]
        answer = Collected(
            source=source,
            time_ms=round(at(60 * minute).timestamp() * 1000),
            families=(family,),
            labels=(Labels({"__name__": "debt", "target": target}),),
            values=(value,),
        )
        store.append(answer)
    write_history(folder / "kept", store.kept())


def test_what_is_ignored_is_not_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pgwatch.yml").write_text(
        "rules: {builtin: false, files: [rules.yml]}\n"
        "ignore: [{check: Debt, labels: {target: old}, reason: it is moving}]\n"
    )
    values = dict.fromkeys(range(10), 1.0)
    keep(folder, (Source("db", "core/debt"), "db", values), (Source("old", "x/y"), "old", values))
    (found,) = simulate(capsys, "--history", "kept")
    labels = [one["labels"]["target"] for told in found["messages"] for one in told["alerts"]]
    assert labels == ["db"]


def test_flapping_is_folded_as_it_is_configured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    debt = {minute: float(minute // 3 % 2) for minute in range(60)}
    keep(folder, (Source("db", "core/debt"), "db", debt))
    told = {}
    for firings in (0, 3):
        (folder / "pgwatch.yml").write_text(
            "rules: {builtin: false, files: [rules.yml]}\n"
            f"notifications: {{flapping: {{firings: {firings}, within: 1h, calm: 20m}}}}\n"
        )
        (found,) = simulate(capsys, "--history", "kept")
        told[firings] = [one["status"] for one in found["messages"]]
    assert told[0] == ["firing", "resolved"] * 9 + ["firing"]
    assert told[3][:4] == ["firing", "resolved"] * 2
    assert "resolved" not in told[3][4:]


def test_alert_without_data_is_held_as_the_daemon_holds_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source("db", "core/debt")
    fires = dict.fromkeys(range(10), 1.0)
    for back, ended in ((1.0, []), (0.0, [("03:40:10", "resolved", "all alerts resolved")])):
        other = (Source("else", "core/debt"), "else", dict.fromkeys(range(50), 0.0))
        keep(folder, (source, "db", fires | dict.fromkeys(range(40, 50), back)), other)
        (found,) = simulate(capsys, "--history", "kept", "--rules", "rules.yml")
        assert seconds(found["messages"]) == [
            ("03:01:10", "firing", "first notification"),
            *ended,
        ]


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--alertmanager-config", "am.yml", "--samples", "samples.yml"]
    assert main(["simulate", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("rules: 3, routes: 1, alerts fired: 1, messages: 2")
    assert lines[1] == '+1m40s  r (webhook[0]): first notification, {}:{alertname="Debt"}'
    assert lines[2].endswith('{alertname="Debt", severity="warning", target="db"}  1 of db')
    assert any(line.startswith("rule Broken failed") for line in lines)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--run", "x"], 2, "--run: belongs to --samples"),
        (["--samples", "samples.yml", "--from", "2026-01-01"], 2, "--from: belongs to --history"),
        (["--samples", "samples.yml", "--url", "http://h"], 2, "--url: belongs to another run"),
        (["--history", "k", "--url", "http://h"], 2, "than --history"),
        (["--samples", "no.yml"], 2, "no.yml: cannot be read: no such file or directory\n"),
        (["--samples", "samples.yml", "--run", "x"], 2, "has no test whose name --run finds"),
        (["--samples", "samples.yml", "--then", "1y"], 2, "--then: expected at most 30d"),
        (["--history", "."], 1, "the history . cannot be read: is a directory"),
        (["--rules", "no.yml", "--samples", "samples.yml"], 2, "no.yml"),
        (["--history", "no"], 1, "there is no kept history no"),
        (["--history", "am.yml"], 1, "cannot be used"),
    ],
)
def test_what_cannot_be_played_is_told(
    options: list[str],
    status: int,
    said: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", *options]) == status
    assert said in capsys.readouterr().err
