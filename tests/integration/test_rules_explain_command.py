"""`pgwatch rules explain` against the real HTTP API."""

import json
import time
from collections.abc import Iterator

import pytest

from pgwatch.cli.main import main
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store
from tests.integration.api import providers
from tests.integration.webserver import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Seven series that are down and one that is up, now."""
    store = Store()
    jobs = [Labels({"__name__": "up", "job": f"j{i}"}) for i in range(8)]
    now_ms = round(time.time() * 1000)
    collected = Collected(
        source=Source("t", "q"),
        time_ms=now_ms,
        families=(),
        labels=jobs,
        values=[0.0] * 7 + [1.0],
    )
    store.append(collected)
    with serving(providers(store)) as url:
        yield url


def explain(url: str, *arguments: str, status: int = 0) -> None:
    assert main(["rules", "explain", *arguments, "--url", url]) == status


def test_each_part_and_its_value(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "Down")
    out = capsys.readouterr().out
    assert out.startswith(
        "Down  severity=critical\n  for 300s: 1 firing\n\n  up == 0\n    = 0  up{"
    )
    assert '\n    up\n      = 0  up{job="j0"}\n' in out
    assert "\n        and 3 more (--all shows them)\n" in out


def test_every_element(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "Down", "--all")
    out = capsys.readouterr().out
    assert '= 1  up{job="j7"}' in out
    assert "more" not in out


def test_rule_without_a_result(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "New")
    assert "has not been evaluated yet\n\n  up > 2\n    = nothing\n" in capsys.readouterr().out


def test_rule_that_fails(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "Broken")
    assert "cannot be evaluated: no" in capsys.readouterr().out


def test_recording_rule_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "job:up:sum", "--json")
    (rule,) = json.loads(capsys.readouterr().out)
    assert [(part["depth"], part["expr"], len(part["result"])) for part in rule["parts"]] == [
        (0, "sum by (job) (up)", 8),
        (1, "up", 8),
    ]


def test_rule_that_is_not_there(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    explain(url, "Nobody", status=2)
    assert "is called 'Nobody' (pgwatch rules list)" in capsys.readouterr().err
