"""What amtool accepts as a configuration pgwatch accepts, and what it refuses pgwatch refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.errors import InputError
from tests.servers import missing_peer

HOOK = "receivers: [{name: r, webhook_configs: [{url: 'http://h/'}]}]\n"
ROOT = "route: {receiver: r}\n"


def child(text: str) -> str:
    return f"route: {{receiver: r, routes: [{{{text}}}]}}\n{HOOK}"


def interval(text: str) -> str:
    return f"{ROOT}{HOOK}time_intervals: [{{name: t, time_intervals: [{{{text}}}]}}]\n"


def receiver(text: str) -> str:
    return f"{ROOT}receivers: [{{name: r, {text}}}]\n"


FILES = {
    # The whole
    "least": ROOT + HOOK,
    "empty": "",
    "no route": HOOK,
    "no receivers": ROOT,
    "unknown key": ROOT + HOOK + "sinks: []\n",
    "a list": "- route\n",
    "empty route": "route: {}\n" + HOOK,
    "null parts": ROOT + HOOK + "inhibit_rules:\ntemplates:\ntime_intervals:\n",
    # Routes
    "root without receiver": "route: {group_by: [a]}\n" + HOOK,
    "root with matchers": "route: {receiver: r, matchers: [a=b]}\n" + HOOK,
    "root with match": "route: {receiver: r, match: {a: b}}\n" + HOOK,
    "root that continues": "route: {receiver: r, continue: true}\n" + HOOK,
    "root muted": "route: {receiver: r, mute_time_intervals: [t]}\n" + HOOK,
    "unknown receiver": "route: {receiver: nobody}\n" + HOOK,
    "unknown receiver below": child("receiver: nobody, matchers: [a=b]"),
    "unknown key of a route": child("repeat: 1h"),
    "child without matchers": child("group_wait: 1s"),
    "child that continues": child("matchers: [a=b], continue: true"),
    "group_wait 0": child("group_wait: 0s"),
    "group_interval 0": child("group_interval: 0s"),
    "repeat_interval 0": child("repeat_interval: 0s"),
    "duration without unit": child("group_wait: 30"),
    "duration of two units": child("group_wait: 1m30s"),
    "duration in the wrong order": child("group_wait: 30s1m"),
    "negative duration": child("group_wait: -1s"),
    "all labels": child("group_by: ['...']"),
    "all labels and one": child("group_by: ['...', a]"),
    "a label twice": child("group_by: [a, a]"),
    "no label": child("group_by: []"),
    # Matchers
    "quoted matcher": child("matchers: ['a=\"b c\"']"),
    "bare matcher with spaces": child("matchers: ['a = b']"),
    "matcher in braces": child("matchers: ['{a=b,c!=d}']"),
    "matcher without operator": child("matchers: [a]"),
    "matcher with a bad pattern": child("matchers: ['a=~\"(\"']"),
    "matcher of RE2's own": child("matchers: ['a=~\"(?i)x|[[:alpha:]]\"']"),
    "pattern that looks ahead": child("matchers: ['a=~\"(?=x)\"']"),
    "matcher that is never closed": child("matchers: ['a=\"b']"),
    "empty value": child("matchers: ['a=']"),
    "match and match_re": child("match: {a: b}, match_re: {c: 'd|e'}"),
    "match with a bad name": child("match: {'a-b': c}"),
    "match_re with a bad pattern": child("match_re: {a: '['}"),
    # Receivers
    "two of one name": ROOT + "receivers: [{name: r}, {name: r}]\n",
    "receiver without name": ROOT + "receivers: [{name: r}, {}]\n",
    "receiver without channels": receiver("webhook_configs: []"),
    "unknown channel": receiver("carrier_pigeon_configs: []"),
    "webhook without url": receiver("webhook_configs: [{send_resolved: true}]"),
    "webhook with a bad url": receiver("webhook_configs: [{url: nowhere}]"),
    "webhook with an unknown key": receiver("webhook_configs: [{url: 'http://h/', colour: red}]"),
    "slack without address": receiver("slack_configs: [{channel: '#a'}]"),
    "slack with address": receiver("slack_configs: [{channel: '#a', api_url: 'http://h/'}]"),
    "slack with global address": "global: {slack_api_url: 'http://h/'}\n"
    + receiver("slack_configs: [{channel: '#a'}]"),
    "slack with both addresses": "global: {slack_api_url: 'http://h/', slack_api_url_file: /x}\n"
    + receiver("slack_configs: [{channel: '#a'}]"),
    "email without host": receiver("email_configs: [{to: a@b}]"),
    "email without sender": "global: {smtp_smarthost: 'h:25'}\n"
    + receiver("email_configs: [{to: a@b}]"),
    "email": "global: {smtp_smarthost: 'h:25', smtp_from: c@d}\n"
    + receiver("email_configs: [{to: a@b}]"),
    "email without recipient": "global: {smtp_smarthost: 'h:25', smtp_from: c@d}\n"
    + receiver("email_configs: [{}]"),
    "email host without port": "global: {smtp_smarthost: h, smtp_from: c@d}\n"
    + receiver("email_configs: [{to: a@b}]"),
    "two ways to log in": receiver(
        "webhook_configs: [{url: 'http://h/', http_config: {bearer_token: t, basic_auth: {username: u}}}]"
    ),
    # Inhibition
    "inhibition": ROOT
    + HOOK
    + "inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d], equal: [e]}]\n",
    "inhibition in the old way": ROOT
    + HOOK
    + "inhibit_rules: [{source_match: {a: b}, target_match_re: {c: 'd|e'}, equal: [e]}]\n",
    "inhibition with a bad pattern": ROOT + HOOK + "inhibit_rules: [{source_match_re: {a: '('}}]\n",
    "inhibition with an unknown key": ROOT + HOOK + "inhibit_rules: [{sources: []}]\n",
    # Time intervals
    "hours": interval("times: [{start_time: '09:00', end_time: '17:30'}]"),
    "until midnight": interval("times: [{start_time: '22:00', end_time: '24:00'}]"),
    "over midnight": interval("times: [{start_time: '22:00', end_time: '06:00'}]"),
    "hours without end": interval("times: [{start_time: '22:00'}]"),
    "25 o'clock": interval("times: [{start_time: '09:00', end_time: '25:00'}]"),
    "weekdays": interval("weekdays: ['monday:friday', Sunday]"),
    "weekdays over the weekend": interval("weekdays: ['friday:monday']"),
    "weekday in short": interval("weekdays: [mon]"),
    "days of the month": interval("days_of_month: ['1:5', '-3:-1', '31']"),
    "day 0": interval("days_of_month: ['0']"),
    "day 32": interval("days_of_month: ['32']"),
    "days from the end to the start": interval("days_of_month: ['-1:3']"),
    "months": interval("months: ['january:march', '12']"),
    "month 13": interval("months: ['13']"),
    "years": interval("years: ['2026:2028', '2030']"),
    "years backwards": interval("years: ['2028:2026']"),
    "zone": interval("weekdays: [sunday], location: Europe/Berlin"),
    "zone that is not": interval("weekdays: [sunday], location: Mars/Base"),
    "interval that is not": child("matchers: [a=b], mute_time_intervals: [t]"),
    "interval twice": interval("years: ['2026']")
    + "mute_time_intervals: [{name: t, time_intervals: [{years: ['2026']}]}]\n",
    "interval without name": ROOT + HOOK + "time_intervals: [{time_intervals: []}]\n",
}

# What never holds: amtool takes it, and nobody would be told that the month never comes.
STRICTER = frozenset({"month 13"})


@pytest.mark.peer
@pytest.mark.parametrize("name", FILES)
def test_agrees(name: str, tmp_path: Path) -> None:
    if (amtool := shutil.which("amtool")) is None:
        missing_peer("amtool")
    file = tmp_path / "alertmanager.yml"
    file.write_text(FILES[name], encoding="utf-8")
    done = subprocess.run(
        [amtool, "check-config", str(file)], capture_output=True, text=True, check=False, timeout=30
    )
    problems = ""
    try:
        load_alertmanager(file)
    except InputError as error:
        problems = "; ".join(map(str, error.problems))
    refused = done.returncode != 0 or name in STRICTER
    assert bool(problems) is refused, f"{problems or 'accepted'}; {done.stdout}{done.stderr}"
