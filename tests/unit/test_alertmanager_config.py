"""Reading alertmanager.yml: what it means."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgwatch.config.alertmanager import load_alertmanager, parse_alertmanager
from pgwatch.errors import InputError
from pgwatch.notify.receiver import EmailSettings, SlackSettings, WebhookSettings
from pgwatch.notify.route import Routing, find_routes
from pgwatch.samples.labels import Labels
from tests.servers import ROOT, missing_peer

SAMPLE = ROOT / "pgwatch" / "config" / "samples" / "alertmanager.yml"

FULL = """
global:
  resolve_timeout: 3m
  http_config: {proxy_url: 'http://u:p@proxy:3128'}
  smtp_smarthost: mail.example.org:587
  smtp_from: pgwatch@example.org
  smtp_auth_username: pgwatch
  smtp_auth_password: hunter2
  slack_api_url_file: slack-url
  pagerduty_url: https://events.pagerduty.com/v2/enqueue
route:
  receiver: everything
  group_by: [alertname, target]
  group_wait: 10s
  routes:
    - match: {team: dba}
      match_re: {severity: critical|warning}
      matchers: ['env!="test"', '{a=b,c=d}']
      receiver: dba
      group_by: ['...']
      group_interval: 1m
      repeat_interval: 2h
      continue: true
      routes:
        - matchers: [severity=critical]
          group_wait: 0s
    - matchers: [severity="info"]
      receiver: nobody
receivers:
  - name: everything
    webhook_configs:
      - url: http://localhost:1/x
        max_alerts: 5
        timeout: 500ms
        http_config:
          basic_auth: {username: me, password_file: pw}
          tls_config: {ca_file: ca.pem}
      - url_file: /run/secrets/url
        send_resolved: false
        http_config: {authorization: {credentials: token}}
  - name: dba
    slack_configs:
      - channel: '#dba'
        send_resolved: true
      - api_url: https://hooks.slack.com/services/T/B/X
    email_configs:
      - to: dba@example.org
        headers: {X-Team: dba}
        require_tls: false
  - name: nobody
"""


ROUTE = "route: {receiver: r}\nreceivers: [{name: r}]\n"


def parse(text: str) -> Routing:
    return parse_alertmanager(text, Path("/etc/pgwatch/alertmanager.yml"))


def test_routes_inherit_all_but_continue_and_matchers() -> None:
    root = parse(FULL).root
    dba, info = root.routes
    assert (root.group_wait, root.group_interval, root.repeat_interval) == (
        timedelta(seconds=10),
        timedelta(minutes=5),
        timedelta(hours=4),
    )
    assert dba.group_by_all
    assert dba.continues
    assert not info.continues
    assert info.group_by == {"alertname", "target"}
    (critical,) = dba.routes
    assert (critical.receiver, critical.group_by_all) == ("dba", True)
    assert (critical.group_wait, critical.group_interval) == (timedelta(0), timedelta(minutes=1))
    assert critical.repeat_interval == timedelta(hours=2)


def test_keys_of_routes_are_alertmanagers() -> None:
    dba = parse(FULL).root.routes[0]
    assert dba.key == ('{}/{a="b",c="d",env!="test",severity=~"^(?:critical|warning)$",team="dba"}')
    assert dba.routes[0].key == dba.key + '/{severity="critical"}'


def test_alerts_find_their_receivers() -> None:
    root = parse(FULL).root
    labels = Labels({"team": "dba", "severity": "critical", "a": "b", "c": "d"})
    assert [route.receiver for route in find_routes(root, labels)] == ["dba"]
    assert [r.receiver for r in find_routes(root, Labels({"severity": "info"}))] == ["nobody"]
    assert [r.receiver for r in find_routes(root, Labels({"severity": "odd"}))] == ["everything"]


def test_channels_get_their_settings_and_the_global_defaults(tmp_path: Path) -> None:
    routing = parse(FULL)
    hook, other = routing.receivers["everything"].channels
    assert isinstance(hook, WebhookSettings)
    assert isinstance(other, WebhookSettings)
    assert (hook.name, other.name) == ("webhook[0]", "webhook[1]")
    assert (hook.send_resolved, other.send_resolved) == (True, False)
    assert (hook.max_alerts, hook.http.timeout) == (5, timedelta(milliseconds=500))
    assert hook.http.username == "me"
    assert hook.http.password is not None
    assert hook.http.password.file == Path("/etc/pgwatch/pw")
    assert hook.http.tls.ca_file == Path("/etc/pgwatch/ca.pem")
    assert hook.http.proxy.url is None, "an own http_config replaces the global one"
    assert other.url.file == Path("/run/secrets/url")
    assert other.http.authorization is not None
    assert other.http.authorization.reveal() == "token"
    slack, own, email = routing.receivers["dba"].channels
    assert isinstance(slack, SlackSettings)
    assert isinstance(own, SlackSettings)
    assert isinstance(email, EmailSettings)
    assert slack.api_url.file == Path("/etc/pgwatch/slack-url")
    assert slack.http.proxy.url is not None
    assert (slack.send_resolved, own.send_resolved, email.send_resolved) == (True, False, False)
    assert own.api_url.reveal() == "https://hooks.slack.com/services/T/B/X"
    assert (email.host, email.port, email.sender) == (
        "mail.example.org",
        587,
        "pgwatch@example.org",
    )
    assert (email.username, email.require_tls) == ("pgwatch", False)
    assert email.password is not None
    assert email.password.reveal() == "hunter2"
    assert email.headers == {"X-Team": "dba"}
    assert routing.resolve_timeout == timedelta(minutes=3)
    assert not routing.warnings


def test_inhibition_and_intervals_are_read() -> None:
    routing = parse(
        ROUTE.replace("r}", "r, routes: [{mute_time_intervals: [night, weekend]}]}", 1)
        + "inhibit_rules:\n"
        "  - {source_matchers: [severity=critical], target_match: {severity: warning}, equal: [a]}\n"
        "time_intervals:\n"
        "  - name: night\n"
        "    time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]\n"
        "mute_time_intervals:\n"
        "  - {name: weekend, time_intervals: [{weekdays: ['saturday', sunday]}]}\n"
    )
    (rule,) = routing.inhibit_rules
    assert (str(rule.source[0]), str(rule.target[0])) == (
        'severity="critical"',
        'severity="warning"',
    )
    assert rule.equal == ("a",)
    schedule = routing.root.routes[0].schedule
    assert schedule.is_quiet(datetime(2026, 8, 3, 5, 59, tzinfo=UTC)), "Monday before six"
    assert not schedule.is_quiet(datetime(2026, 8, 3, 6, 0, tzinfo=UTC))
    assert schedule.is_quiet(datetime(2026, 8, 2, 12, 0, tzinfo=UTC)), "a Sunday"


def test_secrets_are_not_in_the_settings_repr() -> None:
    shown = repr(parse(FULL))
    for secret in ("hunter2", "services/T/B/X", "u:p@", "'token'"):
        assert secret not in shown


def test_missing_file_is_a_problem_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read it: No such file"):
        load_alertmanager(tmp_path / "absent.yml")


def test_sample_loads_without_a_warning() -> None:
    routing = load_alertmanager(SAMPLE)
    assert not routing.warnings
    (critical,) = find_routes(routing.root, Labels({"severity": "critical"}))
    assert critical.receiver == "pager"


@pytest.mark.peer
@pytest.mark.parametrize("text", [SAMPLE.read_text(encoding="utf-8"), FULL], ids=["sample", "full"])
def test_amtool_accepts_what_we_load(text: str, tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        missing_peer("amtool")
    file = tmp_path / "alertmanager.yml"
    # Debian's 0.25 does not know these two keys of a webhook yet.
    text = text.replace("        timeout: 500ms\n", "").replace(
        "url_file: /run/secrets/url", "url: http://x"
    )
    file.write_text(text, encoding="utf-8")
    checked = subprocess.run(
        [amtool, "check-config", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr + checked.stdout


def in_use(sample: str) -> str:
    """The sample with every line that is commented out as an example in use."""
    text = sample.split("global:", 1)[1]
    return "global:" + re.sub(
        r"^( *)# (?=( *- )?(    )?[a-z0-9_]+:( |$))", r"\1", text, flags=re.MULTILINE
    )


def test_every_example_of_the_sample_loads(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.tmpl").write_text("x")
    file = tmp_path / "alertmanager.yml"
    file.write_text(in_use(SAMPLE.read_text(encoding="utf-8")))
    routing = load_alertmanager(file)
    assert not routing.warnings
    kinds = {one.kind for receiver in routing.receivers.values() for one in receiver.channels}
    assert kinds == {
        *("discord", "email", "msteamsv2", "opsgenie", "pagerduty", "slack", "telegram", "webhook"),
    }
