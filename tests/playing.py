"""Plays timelines (files of `pgwatch route test`) to a server of Alertmanager's API v2, on the real clock.

All timelines run side by side on one server: each gets a label and a branch of the routing tree of its own.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import yaml

from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.config.route_tests import load_route_tests
from pgwatch.notify.notification import NotifiedAlert
from pgwatch.notify.route import Routing
from pgwatch.notify.routetest import Heard, RouteTest, Step, message_failures
from pgwatch.samples.labels import Labels, Matcher, MatchType
from tests.receivers import HttpReceiver, Request
from tests.servers import ROOT

FOLDER = ROOT / "tests" / "timelines"
BRANCH = "timeline"  # the label by which a timeline finds its branch
_BRANCHED = ("mute_time_intervals", "active_time_intervals")


def timelines(file: str) -> dict[str, RouteTest]:
    return {test.name: test for test in load_route_tests(FOLDER / file)}


def side_by_side(tests: Iterable[RouteTest]) -> list[list[RouteTest]]:
    """Return the timelines in parts that one server can play at once: what is global must not differ."""
    parts: dict[tuple[object, ...], list[RouteTest]] = {}
    for test in tests:
        reloads = tuple(step.at for step in test.steps if step.reload)
        key = (test.routing.resolve_timeout, test.start_delay, reloads)
        parts.setdefault(key, []).append(test)
    return list(parts.values())


# One configuration for all


def configuration(routings: Sequence[Routing], hook: str) -> str:
    """Return an alertmanager.yml with a branch for each of `routings`, whose webhooks go to `hook`."""
    files = [yaml.safe_load(routing.original) for routing in routings]
    whole: dict[str, Any] = {
        "global": files[0].get("global") or {},
        "route": {"receiver": "nobody", "routes": []},
        "receivers": [{"name": "nobody"}],
        "inhibit_rules": [],
        "time_intervals": [],
    }
    for number, file in enumerate(files):
        whole["route"]["routes"].append(_branch(file["route"], number))
        whole["receivers"] += [_receiver(one, number, hook) for one in file["receivers"]]
        for interval in file.get("time_intervals") or ():
            whole["time_intervals"].append({**interval, "name": f"{number}/{interval['name']}"})
        for rule in file.get("inhibit_rules") or ():
            whole["inhibit_rules"].append(_inhibition(rule, number))
    return str(yaml.safe_dump(whole, allow_unicode=True))


def _branch(route: dict[str, Any], number: int) -> dict[str, Any]:
    renamed = _renamed(route, number)
    return {**renamed, "matchers": [*renamed.get("matchers", ()), f'{BRANCH}="{number}"']}


def _renamed(route: dict[str, Any], number: int) -> dict[str, Any]:
    found = dict(route)
    if "receiver" in route:
        found["receiver"] = f"{number}/{route['receiver']}"
    for key in _BRANCHED:
        if key in route:
            found[key] = [f"{number}/{name}" for name in route[key]]
    if "routes" in route:
        found["routes"] = [_renamed(one, number) for one in route["routes"]]
    return found


def _receiver(receiver: dict[str, Any], number: int, hook: str) -> dict[str, Any]:
    hooks = [
        {**one, "url": f"{hook}/{number}/{receiver['name']}/{index}"}
        for index, one in enumerate(receiver.get("webhook_configs") or ())
    ]
    return {"name": f"{number}/{receiver['name']}", "webhook_configs": hooks}


def _inhibition(rule: dict[str, Any] | None, number: int) -> dict[str, Any] | None:
    if rule is None:
        return None
    own = f'{BRANCH}="{number}"'
    sides = {key: [*rule.get(key, ()), own] for key in ("source_matchers", "target_matchers")}
    return {**rule, **sides}


def on_branches(tests: Sequence[RouteTest], hook: str) -> list[RouteTest]:
    """Return `tests`, each on its branch of the configuration that a server plays."""
    text = configuration([test.routing for test in tests], hook)
    routing = parse_alertmanager(text, Path("alertmanager.yml"))
    return [
        replace(test, routing=routing, steps=tuple(_branched(step, number) for step in test.steps))
        for number, test in enumerate(tests)
    ]


def _branched(step: Step, number: int) -> Step:
    own = Matcher(BRANCH, MatchType.EQUAL, str(number))
    alerts = tuple(
        replace(one, labels=one.labels.merged({BRANCH: str(number)})) for one in step.alerts
    )
    one = step.silence
    if one is not None:
        one = replace(one, name=f"{number}/{one.name}", matchers=(*one.matchers, own))
    return replace(step, alerts=alerts, silence=one)


# The script


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to play, and the file that it reads at a reload."""

    url: str
    config: Path
    start: datetime | None = None  # its time 0, where the server's start decides; None: any


def play(
    server: Server, tests: Sequence[RouteTest], hook: HttpReceiver, start: datetime
) -> list[list[Heard]]:
    """Play `tests` at once; returns what each receiver heard, by timeline."""
    script = sorted(
        ((step.at, number, step) for number, test in enumerate(tests) for step in test.steps),
        key=lambda item: item[0],
    )
    ids: dict[tuple[int, str], str] = {}
    current = [test.routing for test in tests]
    for at, steps in groupby(script, key=lambda item: item[0]):
        _wait_until(start + at)
        now = list(steps)
        alerts: list[dict[str, Any]] = []
        if reloads := {number: step.reload for _, number, step in now if step.reload}:
            current = [reloads.get(number, routing) for number, routing in enumerate(current)]
            server.config.write_text(configuration(current, hook.url), encoding="utf-8")
            call(server.url, "POST", "/-/reload")
        for _, number, step in now:
            # A machine may be too busy to make a silence before it is over: its timeline shows it.
            with suppress(HTTPError, KeyError):
                _act(server, step, number, start, ids)
            posts = [_posted(one, number, start) for one in step.alerts]
            if {str(one["labels"]) for one in posts} & {str(one["labels"]) for one in alerts}:
                post_alerts(server.url, alerts)  # of two posts of one alert the later comes later
                alerts = []
            alerts += posts
        if alerts:
            post_alerts(server.url, alerts)
    _wait_until(start + max(test.end for test in tests))
    heard: list[list[Heard]] = [[] for _ in tests]
    for request in list(hook.requests):
        number = int(request.path.split("/")[1])
        message = _heard(request, start)
        if message.at <= tests[number].end:
            heard[number].append(message)
    return heard


def played(
    servers: Sequence[tuple[Server, Sequence[RouteTest], HttpReceiver]], tolerance: timedelta
) -> dict[str, list[str]]:
    """Play to all `servers` at the same time; returns what is not as expected, by timeline."""
    found: dict[str, list[str]] = {}

    def one(server: Server, tests: Sequence[RouteTest], hook: HttpReceiver) -> None:
        start = server.start or datetime.now(UTC)
        try:
            told = play(server, tests, hook, start)
        except OSError as error:
            found.update({test.name: [f"the server refuses: {error}"] for test in tests})
            return
        for test, heard in zip(tests, told, strict=True):
            lenient = replace(test, start=start, tolerance=max(tolerance, test.tolerance))
            found[test.name] = list(message_failures(lenient, heard))

    threads = [threading.Thread(target=one, args=each) for each in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _wait_until(time_to: datetime) -> None:
    time.sleep(max(0.0, (time_to - datetime.now(UTC)).total_seconds()))


def _act(
    server: Server, step: Step, number: int, start: datetime, ids: dict[tuple[int, str], str]
) -> None:
    if step.silence is not None:
        one = step.silence
        body = {
            "matchers": [
                _matcher(each)
                for each in (*one.matchers, Matcher(BRANCH, MatchType.EQUAL, str(number)))
            ],
            "startsAt": (start + one.starts).isoformat(),
            "endsAt": (start + one.ends).isoformat(),
            "createdBy": "test",
            "comment": one.name,
        }
        if (number, one.name) in ids:
            body["id"] = ids[number, one.name]
        answer = call(server.url, "POST", "/api/v2/silences", body)
        ids[number, one.name] = answer["silenceID"]
    if step.expire:
        call(server.url, "DELETE", f"/api/v2/silence/{ids[number, step.expire]}")


def _posted(one: Any, number: int, start: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {
        "labels": {**one.labels, BRANCH: str(number)},
        "annotations": one.annotations,
    }
    if one.starts is not None:
        body["startsAt"] = (start + one.starts).isoformat()
    if one.ends is not None:
        body["endsAt"] = (start + one.ends).isoformat()
    return body


def _matcher(one: Matcher) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": one.value,
        "isRegex": one.type in (MatchType.REGEX, MatchType.NOT_REGEX),
        "isEqual": one.type in (MatchType.EQUAL, MatchType.REGEX),
    }


def post_alerts(url: str, alerts: Sequence[Mapping[str, Any]]) -> None:
    call(url, "POST", "/api/v2/alerts", alerts)


def call(url: str, method: str, path: str, body: Any = None) -> Any:
    """Return the answer's JSON, None if it is empty; fails unless it is a success."""
    request = urllib.request.Request(
        f"{url}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
    return json.loads(text) if text.strip() and is_json else None


def _heard(request: Request, start: datetime) -> Heard:
    _, _, receiver, index = request.path.split("/")
    return Heard(
        at=datetime.fromtimestamp(request.at, UTC) - start,
        receiver=receiver,
        channel=f"webhook[{index}]",
        group_key=request.json["groupKey"],
        alerts=tuple(_alert(one) for one in request.json["alerts"]),
    )


def _alert(body: Mapping[str, Any]) -> NotifiedAlert:
    labels = {name: value for name, value in body["labels"].items() if name != BRANCH}
    return NotifiedAlert(
        labels=Labels(labels),
        annotations=body["annotations"],
        starts_at=_time(body["startsAt"]),
        ends_at=None if body["status"] == "firing" else _time(body["endsAt"]),
        value=0.0,
    )


def _time(text: str) -> datetime:
    whole, dot, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}{dot}{fraction[:6]}").replace(tzinfo=UTC)
