"""Why an alert goes where it goes: pure, and as the command tells it."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.notify.explain import explain
from pgwatch.notify.playback import Playback
from pgwatch.samples.labels import Labels
from pgwatch.state.store import State
from tests.timeline import alert, at, silence

CONFIG = """
route:
  receiver: all
  group_by: [alertname]
  routes:
    - {matchers: [severity="critical"], receiver: pager, continue: true, routes: [{matchers: [team="dba"]}]}
    - {matchers: [team="dba"], group_wait: 1m, mute_time_intervals: [night]}
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '04:00'}]}]}]
inhibit_rules: [{source_matchers: [alertname="Down"], target_matchers: [alertname!="Down"]}]
receivers: [{name: all, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}, {name: pager}]
"""
ROUTING = parse_alertmanager(CONFIG, Path("am.yml"))
LABELS = Labels({"alertname": "A", "severity": "critical", "team": "dba"})


def test_path_group_timers_and_what_keeps_it_quiet() -> None:
    playback = Playback(ROUTING)
    firing = (alert(severity="critical", team="dba"), alert("Down"))
    said = replace(playback.said, silences={"s": silence("team=dba", 0, 600)})
    playback.step(at(0), alerts={"r": firing}, said=said)
    found = explain(
        ROUTING,
        LABELS,
        at(10),
        groups=playback.state.groups,
        said=playback.said,
        alerts=playback.alerts(at(10)),
    )
    pager, everybody = found.destinations
    assert [one.key for one in pager.path] == [
        "{}",
        '{}/{severity="critical"}',
        '{}/{severity="critical"}/{team="dba"}',
    ]
    assert (pager.route.receiver, pager.channels, pager.is_quiet) == ("pager", (), False)
    assert pager.group_key == '{}/{severity="critical"}/{team="dba"}:{alertname="A"}'
    assert pager.next_flush(at(10)) == at(30)
    assert (everybody.channels, everybody.is_quiet) == (("webhook[0]",), True)
    assert everybody.next_flush(at(10)) == at(60)
    assert [one.id for one in found.silences] == ["team=dba"]
    assert found.inhibited_by == (Labels({"alertname": "Down"}),)


def test_group_that_is_not_there_would_wait() -> None:
    known = Playback(ROUTING)
    found = explain(ROUTING, LABELS, at(0), groups={}, said=known.said, alerts=())
    assert [one.group for one in found.destinations] == [None, None]
    assert found.destinations[1].next_flush(at(0)) == at(60)
    assert not found.silences
    assert not found.inhibited_by


def test_nobody_is_told_before_the_start_delay_is_over() -> None:
    known = Playback(ROUTING)
    found = explain(
        ROUTING, LABELS, at(0), groups={}, said=known.said, alerts=(), delayed_until=at(45)
    )
    # The first waits 30 s for its group, the second 1 m.
    assert [one.next_flush(at(0)) for one in found.destinations] == [at(45), at(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "am.yml").write_text(CONFIG)
    (tmp_path / "pgwatch.yml").write_text(
        "web: {listen: '127.0.0.1:9'}\nalertmanager_config: am.yml\nstate: state.db\n"
    )
    return tmp_path


def test_state_of_a_pgwatch_that_does_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    state = State.open(folder / "state.db")
    with state.transaction() as changes:
        long = silence("team=dba", 0, timedelta(days=36500).total_seconds())
        changes.save_silences([replace(long, id="0f5c")])
    state.close()
    assert main(["route", "explain", "--json", "alertname=A", "team=dba"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [route["receiver"] for route in found["routes"]] == ["all"]
    assert [one["id"] for one in found["silenced_by"]] == ["0f5c"]
    assert "state.db" in found["from"]


def test_text_of_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--alertmanager-config", str(folder / "am.yml")]
    assert main(["route", "explain", *options, '{alertname="A",severity="critical"}']) == 0
    text = capsys.readouterr().out
    assert '{} → {severity="critical"}' in text
    assert "receiver     pager (tells nobody)" in text
    assert "30s after it fires: there is no such group now" in text
    assert "neither silenced nor inhibited nor acknowledged" in text


@pytest.mark.parametrize("words", [["bla"], ["{a=~'b'}"], ["{a"], ["=b"], ["a!=b"], ["a=~b"]])
def test_what_is_no_label_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "explain", *words]) == 2
    assert words[0] in capsys.readouterr().err
