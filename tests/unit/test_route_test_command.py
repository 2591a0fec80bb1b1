"""Files of route tests: what each mistake says, what a failing test says, and the exit status."""

import json
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from pgwatch.config.route_tests import load_route_tests
from pgwatch.errors import InputError

CONFIG = """
alertmanager_config:
  route: {receiver: r, group_by: [alertname], group_wait: 1s, group_interval: 2s}
  receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}, {name: other}]
"""
GOOD = f"""{CONFIG}
tests:
  - routes: [{{labels: {{alertname: A}}, receivers: [r], group_keys: ['{{}}:{{alertname="A"}}']}}]
    input: [{{at: 1, alerts: [{{labels: {{alertname: A}}}}]}}]
    expect: [{{at: 2s, receiver: r, alerts: [{{labels: {{alertname: A}}}}]}}]
"""


def problems(text: str, folder: Path) -> list[str]:
    file = folder / "t.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_route_tests(file)
    return [str(one).removeprefix(f"{folder}/") for one in caught.value.problems]


def with_test(test: str) -> str:
    return f"{CONFIG}tests:\n  - {test}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping with alertmanager_config, tolerance, tests"),
        (CONFIG, "expected at least one test"),
        ("tests: [{name: x}]", "expected the key alertmanager_config, here or for the whole file"),
        ("alertmanager_config: no.yml\ntests: [{}]", "cannot read it: No such file or directory"),
        (with_test("{inputs: []}"), "unknown key; did you mean input?"),
        (with_test("{input: [{at: 1}]}"), "expected one of alerts, silence, expire, reload"),
        (with_test("{input: [{at: x, expire: s}]}"), "'x' is not a duration"),
        (with_test("{input: [{at: 1, expire: s}]}"), "no silence 's' was made before"),
        (with_test("{input: [{at: 1, alerts: [{}]}]}"), "an alert needs labels"),
        (
            with_test("{input: [{at: 1, alerts: [{labels: {a: 1}}]}]}"),
            "expected a text; quote it",
        ),
        (
            with_test("{input: [{at: 1, alerts: [{labels: {a: b}, starts: 2, ends: 1}]}]}"),
            "it ends before it starts",
        ),
        (
            with_test(
                "{input: [{at: 2, alerts: [{labels: {a: b}}]}, {at: 1, alerts: [{labels: {a: b}}]}]}"
            ),
            "the steps must stand in the order of their times",
        ),
        (
            with_test(
                "{input: [{at: 1, silence: {name: s, starts: 1, ends: 2, matchers: ['a']}}]}"
            ),
            "not a matcher",
        ),
        (with_test("{expect: [{at: 1, receiver: s, alerts: []}]}"), "there is no receiver 's'"),
        (with_test("{expect: [{receiver: r}]}"), "expected either at or between"),
        (
            with_test("{expect: [{between: [1], receiver: r}]}"),
            "expected two times, such as [2, 2.5]",
        ),
        (
            with_test("{expect: [{at: 1, receiver: r, alerts: [{labels: {a: b}, status: on}]}]}"),
            "expected firing or resolved",
        ),
        (with_test("{start: 2026-01-05}"), "expected a time with its zone"),
        (
            "tests: [{alertmanager_config: {route: {receiver: x}}}]",
            "alertmanager_config.route.receiver: there is no receiver 'x'",
        ),
    ],
)
def test_mistake_is_told(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in "\n".join(problems(text, tmp_path))


def run(text: str, folder: Path, *options: str) -> int:
    file = folder / "t.yml"
    file.write_text(text, encoding="utf-8")
    return main(["route", "test", *options, str(file)])


def test_good_file_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(GOOD, tmp_path) == 0
    assert "test 1: ok" in capsys.readouterr().out


def test_wrong_file_is_2_and_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.yml"
    good.write_text(GOOD)
    assert main(["route", "test", str(good), str(tmp_path / "no.yml")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("at: 2s", "at: 3s", "not expected: at 2s to r (webhook[0]): "),
        ("at: 2s", "at: 3s", "expected and not told: at 3s to r (webhook[0]): "),
        ("receivers: [r]", "receivers: [other]", "expected other, got r"),
        ('alertname="A"}\'', 'alertname="B"}\'', 'got {}:{alertname="A"}'),
        (
            "{labels: {alertname: A}}]}]\n    exp",
            "{labels: {alertname: B}}]}]\n    exp",
            '"B"} firing',
        ),
        ("labels: {alertname: A}}]}]\n", "labels: {alertname: A}, ends: 1.5}]}]\n", "not told"),
        (
            "at: 1, ",
            "at: 1, silence: {name: s, matchers: [a=b], starts: 2, ends: 1}, ",
            "silence 's'",
        ),
    ],
)
def test_failure_is_told(
    before: str, after: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert before in GOOD
    assert run(GOOD.replace(before, after, 1), tmp_path, "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert not row["passed"]
    assert said in "\n".join(row["failures"])


def test_no_message_is_expected_only_where_the_test_says_so(tmp_path: Path) -> None:
    text = GOOD.partition("    expect:")[0]
    assert run(text, tmp_path) == 0
    assert run(f"{text}    expect: []\n    end: 5\n", tmp_path) == 1
