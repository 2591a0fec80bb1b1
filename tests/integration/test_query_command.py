"""`pgwatch query` against the real HTTP API."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pgwatch.cli.main import main
from tests.integration.api import providers, some_store
from tests.integration.webserver import serving
from tests.series import series, store_of


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(providers(some_store())) as url:
        yield url


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["query", *arguments]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        ("1/4", "0.25\n"),
        ('"text"', "text\n"),
        ("up", 'up{job="a"} 2\n'),
        ("nothing", "no series\n"),
        (
            "up[2m]",
            'up{job="a"}\n  1970-01-01 00:00:00Z  1\n  1970-01-01 00:01:00Z  2\n'
            'up{job="b"}\n  1970-01-01 00:00:00Z  0.5\n',
        ),
        (  # what all share stands above
            'label_replace(up, "host", "long", "", "") or up + 10',
            '{job="a"}\n__name__  host  value\nup        long      2\n                   12\n',
        ),
    ],
)
def test_one_time(url: str, capsys: pytest.CaptureFixture[str], expr: str, shown: str) -> None:
    assert answer(capsys, expr, "--time", "60", "--url", url) == shown


def test_range_is_plotted(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "16")
    arguments = ("--range", "2m", "--step", "1m", "--time", "120", "--url", url)
    lines = answer(capsys, 'up{job="a"}', *arguments).splitlines()
    assert lines[0] == 'up{job="a"}  last 3'
    assert lines[1].startswith("           3 │")
    assert lines[6].startswith("           1 │")
    assert lines[7] == "from 1970-01-01 00:00:00Z to 1970-01-01 00:02:00Z"


def test_many_series_are_sparklines(capsys: pytest.CaptureFixture[str]) -> None:
    many = store_of(series(f'x{{i="{i:02}"}}', 0, i, 0) for i in range(50))
    with serving(providers(many)) as url:
        arguments = ("--range", "2m", "--step", "1m", "--time", "120", "--url", url)
        lines = answer(capsys, "x", *arguments).splitlines()
    assert lines[2:4] == ['x{i="01"}  last 0', "           0 ▁█▁ 1"]
    assert lines[-2] == "and 10 more series (--json shows all)"


def test_json_is_that_of_the_api(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(answer(capsys, "1", "--time", "60", "--url", url, "--json"))
    assert shown == {"resultType": "scalar", "result": [60, "1"]}


def test_address_is_that_of_the_configuration(
    url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "pgwatch.yml"
    config.write_text(yaml.safe_dump({"web": {"listen": url.removeprefix("http://")}}))
    assert answer(capsys, "2", "--config", str(config)) == "2\n"


def test_warnings_go_to_standard_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "quantile_over_time(2, up[5m])", "--time", "60", "--url", url]) == 0
    out, err = capsys.readouterr()
    assert "Inf" in out
    assert err.startswith("PromQL warning: quantile value")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["sum("], 1, 'invalid parameter "query": 1:5: parse error'),
        (["1", "--time", "2026-13-01T00:00:00Z"], 1, "to a valid timestamp"),
        (["1", "--time", "tomorrow"], 2, "--time: expected Unix seconds or RFC 3339, such as"),
        (["1", "--time", "nan"], 2, "--time: expected Unix seconds or RFC 3339, such as"),
        (["1", "--range", "1d", "--step", "1s"], 1, "maximum resolution of 11,000 points"),
        (["1", "--step", "1s"], 2, "--step: needs --range"),
    ],
)
def test_refusals(
    url: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    assert message in answer(capsys, *arguments, "--url", url, status=status)


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://someone:hunter2@127.0.0.1:{port}"
    said = answer(capsys, "1", "--url", url, status=1)
    assert "start `pgwatch run`, or name another address with --url" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("wrong", ["foo", "ftp://u:hunter2@h", "http://", "http://h:port"])
def test_what_is_no_url(capsys: pytest.CaptureFixture[str], wrong: str) -> None:
    said = answer(capsys, "1", "--url", wrong, status=2)
    assert said == "command line: --url: expected a URL such as http://127.0.0.1:9432\n"


def test_it_is_no_prometheus(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, "1", "--url", f"{url}/metrics", status=1)
    assert "is no Prometheus API" in said
