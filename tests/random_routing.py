"""Random configurations and alert streams of a small vocabulary, for playing them to two programs."""

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pgwatch.alerts.posted import PostedAlert, heard, received
from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.routetest import DEFAULT_START, Posting, RouteTest, Silencing, Step
from pgwatch.samples.labels import Labels

SECONDS = 10  # that alerts come and go; what is due after that is looked at, too
_NAMES = ("Down", "Slow", "Full")
_LABELS = {"team": ("dba", "app", ""), "severity": ("critical", "warning"), "env": ("prod", "test")}
_GROUPINGS: tuple[list[str], ...] = (
    ["alertname"],
    ["team", "env"],
    ["..."],
    ["alertname", "severity"],
)
_SHARED: tuple[list[str], ...] = (["alertname"], ["team", "env"], ["severity"])
_MATCHERS = (
    'team="dba"',
    'team!="dba"',
    'env=~"pro.*|x"',
    'severity!~"crit.*"',
    'team=""',
    'alertname=~"Down|Slow"',
    'env="prod"',
    'severity="critical"',
)
# Alerts come and go at full seconds, and groups are looked at between them: no race decides.
_WAITS = ("500ms", "1500ms")
_INTERVALS = ("1s", "2s", "3s")
_REPEATS = ("1ms", "2500ms", "1h")
_INTERVAL_NAMES = ("always", "never")


def random_timeline(seed: int) -> RouteTest:
    """Return a timeline without expectations; the same for the same `seed`."""
    chance = random.Random(seed)
    feature = ("ends", "timers", "inhibition", "silence", "hours")[seed % 5]
    config = _configuration(chance, feature)
    routing = parse_alertmanager(yaml.safe_dump(config), Path(f"random-{seed}.yml"))
    steps = _stream(chance, feature)
    return RouteTest(
        name=f"{feature} {seed}",
        routing=routing,
        steps=tuple(sorted(steps, key=lambda step: step.at)),
        end=timedelta(seconds=SECONDS + 4),
    )


def random_posts(seed: int) -> RouteTest:
    """Return a timeline of posts with starts and ends in past and future, which overlap and repeat."""
    chance = random.Random(seed)
    config = _configuration(chance, "posts")
    return RouteTest(
        name=f"posts {seed}",
        routing=parse_alertmanager(yaml.safe_dump(config), Path(f"posts-{seed}.yml")),
        steps=tuple(_posts(chance)),
        end=timedelta(seconds=SECONDS + 4),
    )


def _posts(chance: random.Random) -> Iterator[Step]:
    alerts = [_alert(chance, number) for number in range(9)]
    stay = {one.merged({"n": "stays"}) for one in alerts}  # so that no group is ever empty
    known: Mapping[Labels, PostedAlert] = {}
    first: dict[Labels, int] = {}
    for second in range(1, SECONDS + 1):
        posts = [Posting(labels=one, starts=timedelta(seconds=1)) for one in stay]
        for labels in alerts:
            if chance.random() < 0.35:
                continue
            begun = first.setdefault(labels, second)
            before = known.get(labels)
            # What has been told as firing, and fires: only an end of that is told by both.
            was_told = before is not None and before.ends_at > _at(second) and second - begun >= 5
            is_over = was_told and chance.random() < 0.35
            posts.append(_post(chance, labels, begun, second, is_over=is_over))
        known, _ = heard(known, [_as_received(one, second) for one in posts], _at(second))
        for labels, one in known.items():
            if one.ends_at <= _at(second) or one.starts_at > _at(second):
                first.pop(labels, None)
        yield Step(at=timedelta(seconds=second), alerts=tuple(posts))


def _post(chance: random.Random, labels: Labels, begun: int, now: int, *, is_over: bool) -> Posting:
    started = chance.choice((begun, begun, now - 0.3, now - 1 if begun < now else now, None))
    ended = chance.choice((now, now - 0.4, now - 2) if is_over else (None, now + 1, now + 3))
    if is_over and ended is not None and (started is None or started > ended):
        started = min(begun, ended)
    return Posting(
        labels=labels,
        annotations={"n": str(now)},
        starts=None if started is None else timedelta(seconds=started),
        ends=None if ended is None else timedelta(seconds=ended),
    )


def _as_received(one: Posting, second: int) -> PostedAlert:
    return received(
        one.labels,
        one.annotations,
        starts_at=None if one.starts is None else DEFAULT_START + one.starts,
        ends_at=None if one.ends is None else DEFAULT_START + one.ends,
        generator_url="",
        resolve_timeout=timedelta(minutes=5),
        now=_at(second),
    )


def _at(second: int) -> datetime:
    return DEFAULT_START + timedelta(seconds=second)


def _configuration(chance: random.Random, feature: str) -> dict[str, Any]:
    receivers = [
        {
            "name": name,
            "webhook_configs": [
                # Where alerts are inhibited for a while, only a receiver of ends is told the same.
                {
                    "url": "http://127.0.0.1:9/",
                    "send_resolved": feature not in ("ends", "timers", "posts")
                    or chance.random() < 0.7,
                }
                for _ in range(chance.choice((1, 1, 2)))
            ],
        }
        for name in ("one", "two", "three")
    ]
    root = {"receiver": "one", **_timers(chance, feature), "group_by": _grouping(chance, feature)}
    root["routes"] = [_route(chance, 2, feature) for _ in range(chance.randint(1, 3))]
    config: dict[str, Any] = {"route": root, "receivers": receivers}
    if feature == "inhibition":
        config["inhibit_rules"] = [
            {
                "source_matchers": [f'alertname="{_NAMES[0]}"'],
                "target_matchers": [chance.choice(('alertname!="Down"', 'severity="warning"'))],
                "equal": chance.choice((["env"], ["team"], [], ["team", "absent"])),
            },
            {
                "source_matchers": ['severity="critical"', 'alertname="Down"'],
                "target_matchers": [chance.choice(('alertname="Full"', 'severity="critical"'))],
                "equal": ["team", "env"],
            },
        ]
    if feature == "hours":
        config["time_intervals"] = [
            {
                "name": "always",
                "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}],
            },
            {"name": "never", "time_intervals": [{"years": ["1999"]}]},
        ]
    return config


def _grouping(chance: random.Random, feature: str) -> list[str]:
    return chance.choice(_SHARED if feature == "posts" else _GROUPINGS)


def _timers(chance: random.Random, feature: str) -> dict[str, Any]:
    # Alertmanager 0.25 lets a group without alerts live on for up to 30 s. Where alerts come and go, it is
    # told of a new one as soon as a new group would be.
    quick = feature in ("ends", "hours")
    return {
        "group_wait": "500ms" if quick else chance.choice(_WAITS),
        "group_interval": "1s" if quick else chance.choice(_INTERVALS),
        "repeat_interval": chance.choice(_REPEATS),
    }


def _route(chance: random.Random, depth: int, feature: str) -> dict[str, Any]:
    route: dict[str, Any] = {"matchers": chance.sample(_MATCHERS, chance.choice((1, 1, 2)))}
    if chance.random() < 0.7:
        route["receiver"] = chance.choice(("one", "two", "three"))
    if chance.random() < 0.5:
        route["group_by"] = _grouping(chance, feature)
    if chance.random() < 0.5:
        route |= _timers(chance, feature)
    if chance.random() < 0.4:
        route["continue"] = True
    if feature == "hours" and chance.random() < 0.7:
        key = chance.choice(("mute_time_intervals", "active_time_intervals"))
        route[key] = [chance.choice(_INTERVAL_NAMES)]
    if depth > 1 and chance.random() < 0.6:
        route["routes"] = [_route(chance, depth - 1, feature) for _ in range(chance.randint(1, 2))]
    return route


def _stream(chance: random.Random, feature: str) -> list[Step]:
    """Return posts at each full second: of all that fires, and of what has just ended."""
    alerts = [_alert(chance, number) for number in range(9)]
    firing: dict[Labels, int] = {}
    over: set[Labels] = set()
    steps = _silences(chance) if feature == "silence" else []
    for second in range(1, SECONDS + 1):
        ended = {}
        for labels in alerts:
            if feature == "inhibition" and labels["alertname"] == _NAMES[0]:
                firing.setdefault(labels, second)  # what explains others stays
            elif labels in firing and chance.random() < 0.25:
                if feature not in ("inhibition", "silence"):
                    ended[labels] = firing.pop(labels)
                    over.add(labels)
            elif labels not in firing and chance.random() < 0.3:
                if feature == "timers":
                    if labels in over:
                        continue
                    firing.setdefault(labels.merged({"n": "stays"}), second)  # with its group
                firing[labels] = second
        at = timedelta(seconds=second)
        posts = [
            Posting(labels=one, annotations={"n": str(since)}, starts=timedelta(seconds=since))
            for one, since in firing.items()
        ]
        posts += [
            Posting(
                labels=one,
                annotations={"n": str(since)},
                starts=timedelta(seconds=since),
                ends=at,
            )
            for one, since in ended.items()
        ]
        steps.append(Step(at=at, alerts=tuple(posts)))
    return steps


def _silences(chance: random.Random) -> list[Step]:
    """Return silences that begin and do not end; what was told before them is not told again after."""
    found = []
    for number in range(chance.randint(1, 3)):
        silencing = Silencing(
            name=f"s{number}",
            matchers=parse_matchers(chance.choice(_MATCHERS)).matchers,
            starts=timedelta(seconds=chance.randint(1, 6)),
            ends=timedelta(seconds=SECONDS + 60),
        )
        if all(one.predicate()("") for one in silencing.matchers):
            continue
        found.append(Step(at=timedelta(milliseconds=700), silence=silencing))
    return found


def _alert(chance: random.Random, number: int) -> Labels:
    labels = {name: chance.choice(values) for name, values in _LABELS.items()}
    labels |= {"alertname": chance.choice(_NAMES), "n": str(number)}
    return Labels({name: value for name, value in labels.items() if value})
