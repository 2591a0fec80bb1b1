"""What is wrong in an alertmanager.yml, and what has no effect, is told with its place."""

from pathlib import Path

import pytest

from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.errors import InputError
from pgwatch.notify.route import Routing


def parse(text: str) -> Routing:
    return parse_alertmanager(text, Path("/etc/pgwatch/alertmanager.yml"))


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    prefix = "/etc/pgwatch/alertmanager.yml:"
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


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
