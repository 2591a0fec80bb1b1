"""Real clients query a real daemon as if it were a Prometheus: promtool, Grafana's calls, a library."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from pgwatch.cli.main import main
from tests.conftest import Servers, create_database, drop_database
from tests.daemon_process import DaemonProcess, until
from tests.servers import VERSIONS, missing_peer


@pytest.fixture(scope="module")
def daemon(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon that has polled twice and evaluated its rules."""
    server = servers[VERSIONS[-1]]
    name = create_database(server)
    target = {"name": "db", "dsn": server.dsn(name)}
    try:
        with DaemonProcess(tmp_path_factory.mktemp("daemon"), targets=[target]) as daemon:
            until(
                lambda: "ok" in {rule["health"] for rule in rules(daemon)} and points(daemon) > 2,
                "samples and evaluated rules",
                seconds=60,
                log=daemon,
            )
            yield daemon
    finally:
        drop_database(server, name)


def api(daemon: DaemonProcess, path: str, **parameters: Any) -> Any:
    url = f"http://127.0.0.1:{daemon.port}/api/v1/{path}"
    answer = requests.get(url, params=parameters, timeout=10).json()
    assert answer["status"] == "success", answer
    return answer["data"]


def rules(daemon: DaemonProcess) -> list[dict[str, Any]]:
    return [rule for group in api(daemon, "rules")["groups"] for rule in group["rules"]]


def points(daemon: DaemonProcess) -> int:
    result = api(daemon, "query", query="count_over_time(pg_up[1m])")["result"]
    return int(result[0]["value"][1]) if result else 0


UP = '{__name__="pg_up", instance="%s", job="pgwatch", target="db"}'


def instance(daemon: DaemonProcess) -> str:
    (found,) = api(daemon, "label/instance/values", **{"match[]": "pg_up"})
    return str(found)


# promtool


def promtool(daemon: DaemonProcess, what: str, *arguments: str) -> tuple[int, str]:
    if shutil.which("promtool") is None:
        missing_peer("promtool")
    flags = [one for one in arguments if one.startswith("--")]
    rest = [one for one in arguments if not one.startswith("--")]
    server = f"http://127.0.0.1:{daemon.port}"
    done = subprocess.run(
        ["promtool", "query", what, *flags, server, *rest],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.peer
def test_promtool_instant(daemon: DaemonProcess) -> None:
    status, text = promtool(daemon, "instant", "pg_up")
    assert status == 0
    labels, _, value = text.partition(" => ")
    assert labels == f'pg_up{{instance="{instance(daemon)}", job="pgwatch", target="db"}}'
    assert value.startswith("1 @[")


@pytest.mark.peer
def test_promtool_shows_our_errors(daemon: DaemonProcess) -> None:
    status, text = promtool(daemon, "instant", "pg_up{")
    assert status == 1
    assert "query error: bad_data: invalid parameter" in text
    assert "parse error: unexpected end of input inside braces" in text


@pytest.mark.peer
def test_promtool_range(daemon: DaemonProcess) -> None:
    now = int(time.time())
    flags = (f"--start={now - 2}", f"--end={now}", "--step=1s")
    status, text = promtool(daemon, "range", *flags, "vector(time())")
    assert status == 0
    values = [line.split(" @[")[0] for line in text.splitlines()[1:]]
    assert values == [str(now - 2), str(now - 1), str(now)]


@pytest.mark.peer
def test_promtool_series(daemon: DaemonProcess) -> None:
    status, text = promtool(daemon, "series", "--match=pg_up")
    assert (status, text.strip()) == (0, UP % instance(daemon))


@pytest.mark.peer
def test_promtool_labels(daemon: DaemonProcess) -> None:
    assert promtool(daemon, "labels", "target") == (0, "db\n")


# Grafana


class Grafana:
    """The calls of Grafana's Prometheus data source, as its source has them."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._url = f"http://127.0.0.1:{daemon.port}"

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=10)

    def post(self, path: str, **form: Any) -> Any:
        answer = requests.post(f"{self._url}/api/v1/{path}", data=form, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def test_grafana_saves_and_tests(daemon: DaemonProcess) -> None:
    grafana = Grafana(daemon)
    answer = grafana.post("query", query="1+1", time=4)
    assert answer == {"resultType": "scalar", "result": [4, "2"]}
    build = grafana.get("status/buildinfo").json()["data"]
    assert build["version"].count(".") == 2
    assert "features" not in build  # else it is a Mimir
    assert grafana.get("status/flags").status_code == 404  # else it is a Thanos


def test_grafana_shows_a_dashboard(daemon: DaemonProcess) -> None:
    grafana, end = Grafana(daemon), int(time.time())
    span = {"start": end - 300, "end": end}
    # a variable, label_values(pg_up, target)
    values = grafana.get("label/target/values", **{"match[]": "pg_up"}, **span).json()["data"]
    assert values == ["db"]
    # a time series panel, and one that shows only the newest value
    panel = grafana.post("query_range", query='pg_up{target="db"}', step=15, **span)
    assert panel["resultType"] == "matrix"
    assert {value for _, value in panel["result"][0]["values"]} == {"1"}
    rate = grafana.post("query", query="sum(rate(pg_stat_database_xact_commit[1m]))", time=end)
    assert rate["resultType"] == "vector"
    # exemplars are on by default
    assert grafana.post("query_exemplars", query="pg_up", **span) == []


def test_grafana_completes_an_expression(daemon: DaemonProcess) -> None:
    grafana = Grafana(daemon)
    assert "pg_up" in grafana.get("label/__name__/values", limit=40_000).json()["data"]
    assert "target" in grafana.post("labels", **{"match[]": '{__name__="pg_up"}'})
    assert grafana.get("metadata", limit=40_000).json()["data"]["pg_up"][0]["type"] == "gauge"
    series = grafana.post("series", **{"match[]": "pg_up"})
    assert [one["target"] for one in series] == ["db"]
    assert grafana.get("rules").json()["data"]["groups"]


# What the daemon knows


def test_rules_and_targets_are_those_of_the_daemon(daemon: DaemonProcess) -> None:
    by_name = {rule["name"]: rule for rule in rules(daemon)}
    assert by_name["PostgresDown"]["state"] == "inactive"
    assert by_name["PostgresDown"]["health"] == "ok"
    assert not by_name["PostgresDown"]["lastEvaluation"].startswith("0001")
    assert 0 < by_name["PostgresDown"]["evaluationTime"] < 5
    (target,) = api(daemon, "targets")["activeTargets"]
    assert (target["labels"]["target"], target["health"]) == ("db", "up")
    assert target["labels"]["instance"] == instance(daemon)


# Our own commands


def test_query_command(daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "sum by (target) (pg_up)", "--config", str(daemon.config)]) == 0
    assert capsys.readouterr().out == '{target="db"} 1\n'
    arguments = ["--range", "10s", "--step", "1s", "--config", str(daemon.config)]
    assert main(["query", "pg_up", *arguments]) == 0
    assert "last 1\n" in capsys.readouterr().out


def test_rules_explain_command(daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "explain", "PostgresDown", "--config", str(daemon.config)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PostgresDown  severity=critical")
    assert "quiet\n" in out
    assert "= nothing\n" in out
    assert "= 1  pg_up{" in out


# A library


def test_prometheus_api_client(daemon: DaemonProcess) -> None:
    client = PrometheusConnect(url=f"http://127.0.0.1:{daemon.port}", disable_ssl=True)
    assert client.check_prometheus_connection()
    assert "pg_up" in client.all_metrics()
    assert client.get_label_values("target") == ["db"]
    (sample,) = client.get_current_metric_value("pg_up", label_config={"target": "db"})
    assert sample["value"][1] == "1"
    soon = datetime.now() + timedelta(seconds=5)  # noqa: DTZ005 - the library wants local times
    (series,) = client.get_metric_range_data("pg_up", end_time=soon)
    assert {value for _, value in series["values"]} == {"1"}
    assert client.get_scrape_pools() == ["pgwatch"]
    assert client.get_metric_metadata("pg_up")[0]["metric_name"] == "pg_up"
    with pytest.raises(PrometheusApiClientException, match="400"):
        client.custom_query("sum(")
    (one,) = client.get_series(soon - timedelta(hours=1), soon, {"match[]": "pg_up"})
    assert one["target"] == "db"
