"""Reading alertmanager.yml: what it means, and what each mistake says."""

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


def parse(text: str) -> Routing:
    return parse_alertmanager(text, Path("/etc/pgwatch/alertmanager.yml"))


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    prefix = "/etc/pgwatch/alertmanager.yml:"
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


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


ROUTE = "route: {receiver: r}\nreceivers: [{name: r}]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", ["the key route is required"], id="empty file"),
        pytest.param(
            "route: {receiver: r, grop_by: [a]}\nreceivers: [{name: r}]",
            ["1:22: route.grop_by: unknown key; did you mean group_by?"],
            id="unknown key",
        ),
        pytest.param(
            "route:\n  receiver: team-A\nreceivers: [{name: team-a}]",
            ["2:3: route.receiver: there is no receiver 'team-A'; did you mean team-a?"],
            id="unknown receiver",
        ),
        pytest.param(
            "route: {}\nreceivers: [{name: r}]",
            [
                "1:1: route: the root route needs a receiver",
                "1:1: route.receiver: there is no receiver ''; there is r",
            ],
            id="root without receiver",
        ),
        pytest.param(
            "route: {receiver: r, matchers: [a=b], continue: true}\nreceivers: [{name: r}]",
            [
                "1:1: route: the root route must not have matchers: it takes every alert",
                "1:39: route.continue: the root route has no siblings to continue with",
            ],
            id="root with matchers",
        ),
        pytest.param(
            "route: {receiver: r, group_by: [a, a, '...']}\nreceivers: [{name: r}]",
            [
                "1:36: route.group_by[1]: label a stands twice",
                "1:22: route.group_by: '...' means all labels; it must stand alone",
            ],
            id="group_by",
        ),
        pytest.param(
            "route: {receiver: r, group_wait: 30, group_interval: 0s, repeat_interval: 5 min}\n"
            "receivers: [{name: r}]",
            [
                "1:22: route.group_wait: expected a duration such as 30s, 5m or 4h",
                "1:38: route.group_interval: cannot be zero",
                "1:58: route.repeat_interval: '5 min' is not a duration; "
                "write it like 500ms, 30s, 5m, 1h30m or 7d",
            ],
            id="durations",
        ),
        pytest.param(
            "route: {receiver: r, group_by: alertname, routes: {a: b}}\nreceivers: [{name: r}]",
            ["1:22: route.group_by: expected a list", "1:43: route.routes: expected a list"],
            id="wrong shapes",
        ),
        pytest.param(
            "route:\n  receiver: r\n  routes:\n    - matchers: ['a=~(']\n"
            "    - match: {1a: b}\n    - match_re: {a: '['}\nreceivers: [{name: r}]",
            [
                "4:18: route.routes[0].matchers[0]: not a matcher: a: '(' is not a regular expression",
                "5:15: route.routes[1].match.1a: '1a' is not a label name",
                "6:18: route.routes[2].match_re.a: a: '^(?:[)$' is not a regular expression",
            ],
            id="matchers",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers: [{name: r}, {name: r}, {}]",
            [
                "2:25: receivers[1].name: there are two receivers called 'r'",
                "2:35: receivers[2]: a receiver needs a name",
            ],
            id="names of receivers",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers:\n  - name: r\n    webhook_configs:\n      - {}\n"
            "      - {url: 'ftp://secret'}\n      - {url: 'http://x/{{ if }}'}\n",
            [
                "5:9: receivers[0].webhook_configs[0]: expected either url or url_file",
                "6:10: receivers[0].webhook_configs[1].url: "
                "expected an address that begins with http:// or https://",
                "7:10: receivers[0].webhook_configs[2].url: not a template",
            ],
            id="webhooks",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers:\n  - name: r\n    slack_configs: [{channel: '#a'}]\n"
            "    email_configs: [{}, {to: a@b, from: c@d, smarthost: mail}]",
            [
                "4:21: receivers[0].slack_configs[0]: "
                "no Slack address: set api_url, api_url_file or global slack_api_url",
                "5:21: receivers[0].email_configs[0]: to is missing",
                "5:21: receivers[0].email_configs[0]: "
                "from is missing; set it here or as global smtp_from",
                "5:21: receivers[0].email_configs[0]: "
                "smarthost (host:port) is missing; set it here or as global smtp_smarthost",
                "5:25: receivers[0].email_configs[1]: "
                "smarthost must be host:port, such as mail.example.org:587",
            ],
            id="slack and email",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers:\n  - name: r\n    slack_configs:\n"
            "      - {api_url: 'http://x', title: '{{ .Status', fields: [{title: '{{ nope }}'}]}",
            [
                "5:31: receivers[0].slack_configs[0].title: not a template",
                "5:62: receivers[0].slack_configs[0].fields[0].title: not a template",
            ],
            id="templates",
        ),
        pytest.param(
            ROUTE
            + "inhibit_rules: [{source_matchers: ['a=~('], target_match: {1a: b}, equl: [a]}]",
            [
                "3:68: inhibit_rules[0].equl: unknown key; did you mean equal?",
                "3:36: inhibit_rules[0].source_matchers[0]: not a matcher",
                "3:60: inhibit_rules[0].target_match.1a: '1a' is not a label name",
            ],
            id="inhibition, unknown key",
        ),
        pytest.param(
            ROUTE + "inhibit_rules: [{source_matchers: ['a=~('], target_match: {1a: b}}]",
            [
                "3:36: inhibit_rules[0].source_matchers[0]: not a matcher",
                "3:60: inhibit_rules[0].target_match.1a: '1a' is not a label name",
            ],
            id="inhibition",
        ),
        pytest.param(
            "route:\n  receiver: r\n  mute_time_intervals: [night]\n"
            "  routes: [{active_time_intervals: [days]}]\nreceivers: [{name: r}]\n"
            "time_intervals:\n  - name: night\n"
            "    time_intervals: [{times: [{start_time: '22:00', end_time: '06:00'}]}]\n"
            "  - name: day\n    time_intervals: [{weekdays: [someday]}]\n",
            [
                "8:22: time_intervals[0].time_intervals[0]: "
                "start_time must be before end_time; split a range that passes midnight",
                "10:22: time_intervals[1].time_intervals[0]: 'someday' is not a day of the week",
                "3:3: route.mute_time_intervals: the root route must not be muted",
                "4:37: route.routes[0].active_time_intervals[0]: there is no time interval 'days'; "
                "did you mean day?",
            ],
            id="intervals",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers: [{name: r, victorops_configs: [{routing_key: k}]}]",
            [
                "1:9: route.receiver: alerts can end here, and pgwatch can deliver nothing of 'r' "
                "(victorops_configs); add one of discord, email,"
            ],
            id="reachable and undeliverable",
        ),
        pytest.param(
            "route: {receiver: slak, group_wiat: 3s}\n"
            "receivers:\n  - name: slack\n    slack_configs: [{chanel: '#x'}]\n"
            "  - name: mail\n    email_configs: [{send_resolved: perhaps}]\n  - name: mail\n"
            "inhibit_rules: [{source_matchers: ['a=~('], equl: [b]}, {target_matchers: ['a=~(']}]",
            [
                "1:25: route.group_wiat: unknown key; did you mean group_wait?",
                "4:22: receivers[0].slack_configs[0].chanel: unknown key; did you mean channel?",
                "6:22: receivers[1].email_configs[0].send_resolved: expected true or false",
                "8:45: inhibit_rules[0].equl: unknown key; did you mean equal?",
                "7:5: receivers[2].name: there are two receivers called 'mail'",
                "1:9: route.receiver: there is no receiver 'slak'; did you mean slack?",
                "8:36: inhibit_rules[0].source_matchers[0]: not a matcher",
                "8:76: inhibit_rules[1].target_matchers[0]: not a matcher",
            ],
            id="wrong shapes and wrong meanings at once",
        ),
        pytest.param(
            "global: {slack_api_url: 5}\nroute: {receiver: r}\n"
            "receivers: [{name: r, slack_configs: [{channel: x}]}]",
            ["1:10: global.slack_api_url: "],
            id="nothing that only follows from it",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers: [{nam: r}]",
            ["2:14: receivers[0].nam: unknown key; did you mean name?"],
            id="a receiver whose name is misspelt is not missing",
        ),
        pytest.param(
            "route: {receiver: r}\nrecievers: [{name: r}]",
            ["2:1: recievers: unknown key; did you mean receivers?"],
            id="a whole section whose name is misspelt",
        ),
        pytest.param(
            "route: {reciever: r, routes: [{matchers: ['a=b']}]}\nreceivers: [{name: r}, {name: r}]",
            [
                "1:9: route.reciever: unknown key; did you mean receiver?",
                "2:25: receivers[1].name: there are two receivers called 'r'",
            ],
            id="routes that inherit a misspelt key",
        ),
        pytest.param(
            "route: {receiver: r, routes: [5]}\nreceivers: [r]\ntime_intervals: [{nam: x}, {name: x}]",
            [
                "1:31: route.routes[0]: expected a mapping",
                "2:13: receivers[0]: expected a mapping",
                "3:19: time_intervals[0].nam: unknown key; did you mean name?",
            ],
            id="entries of lists",
        ),
        pytest.param("route: [", ["2:1: not valid YAML"], id="no YAML"),
        pytest.param(
            "route: {receiver: r}\nroute: {}", ["2:1: route: this key stands twice"], id="twice"
        ),
    ],
)
def test_problem(text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.lstrip().startswith(start)


def test_problems_hold_no_secret() -> None:
    text = (
        "global: {slack_api_url: 17, smtp_auth_password: [hunter2], smtp_fromm: hunter2}\n"
        "route: {receiver: r}\n"
        "receivers: [{name: r, webhook_configs: [{url: 'hunter2'}, {url: 'http://[hunter2'}]}]"
    )
    assert "hunter2" not in "".join(problems(text))
    assert "hunter2" not in "".join(
        problems(text.replace("smtp_fromm: hunter2", "").replace("[hunter2],", "x"))
    )


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param(
            "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x'}], "
            "sns_configs: [{topic_arn: t}]}]",
            ":2:13: receivers[0]: pgwatch does not deliver sns_configs; receiver 'r' goes without",
            id="other receivers",
        ),
        pytest.param(
            "global: {slack_api_url: 'http://x'}\nroute: {receiver: r}\n"
            "receivers:\n  - name: r\n    slack_configs:\n      - {title: '{{ template \"nope\" . }}'}",
            ":6:10: receivers[0].slack_configs[0].title: it fails for a sample alert (",
            id="template that fails",
        ),
        pytest.param(
            "route: {receiver: r}\nreceivers:\n  - name: r\n    webhook_configs:\n"
            "      - {url: 'http://x', payload: {a: b}}",
            ":5:27: receivers[0].webhook_configs[0].payload: pgwatch writes its own message",
            id="own message",
        ),
        pytest.param(
            "route: {receiver: r, routes: [{matchers: ['a=b c']}]}\nreceivers: [{name: r}]",
            ":1:43: route.routes[0].matchers[0]: matcher 'a=b c' is only valid in the classic grammar",
            id="classic matcher",
        ),
    ],
)
def test_what_has_no_effect_is_warned_about(text: str, warning: str) -> None:
    (found,) = parse(text).warnings
    assert warning in found


def test_unreachable_undeliverable_route_is_only_warned_about() -> None:
    routing = parse(
        "route: {receiver: r, routes: [{receiver: ok}]}\n"
        "receivers: [{name: r, sns_configs: [{}]}, {name: ok}]"
    )
    assert len(routing.warnings) == 1


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
