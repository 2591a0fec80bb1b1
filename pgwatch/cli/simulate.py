"""`pgwatch simulate`: who would have been told what, had these rules and routes been in force."""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgwatch.alerts.ruletest import fill
from pgwatch.alerts.testfile import RuleTest, load_tests
from pgwatch.cli.client import add_url_option
from pgwatch.cli.office import moment
from pgwatch.cli.options import CommandParser, duration_option
from pgwatch.cli.settings import routing_of_file, settings_inputs
from pgwatch.cli.simulate_history import read_history
from pgwatch.errors import InputError, Problem
from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Notification
from pgwatch.notify.route import Routing, log_only, walk
from pgwatch.notify.silence import Silence
from pgwatch.notify.simulation import Simulated, Simulation
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import RuleGroup
from pgwatch.samples.answers import Answers
from pgwatch.samples.sample import Source
from pgwatch.samples.store import Store
from pgwatch.units import format_duration
from pgwatch.web.alertmanager_json import posted_silence
from pgwatch.wiring import accepted_findings, rule_groups, surroundings_of

if TYPE_CHECKING:
    from pgwatch.config.choose import Inputs

_LOOKBACK = timedelta(minutes=5)  # how long an answer stands, as in the engine
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = timedelta(days=365 * 100)
_LONGEST = timedelta(days=30)  # that nothing new happens in
_AFTERWARDS = timedelta(
    minutes=10
)  # that made-up samples are played on, for what is still to be told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Samples, and the time that they are about."""

    name: str
    store: Store
    groups: Sequence[RuleGroup]
    start: datetime
    end: datetime
    said: Interventions = field(default_factory=Interventions)
    stood: Callable[[Source, int], bool] = lambda _source, _at_ms: True


def configure(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--rules",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the rule files to try (default: the rules in force, or those of --samples)",
    )
    parser.add_argument(
        "--alertmanager-config",
        type=Path,
        metavar="FILE",
        help="the routes to try (default: those in force)",
    )
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="play the input_series of FILE, a test of rules as `promtool test rules` reads it",
    )
    parser.add_argument(
        "--run", type=_pattern, metavar="REGEX", help="of --samples: only the tests named like this"
    )
    parser.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help="play the samples that pgwatch has kept in FILE (default: ask the pgwatch that runs; if none"
        " does, the file beside its state)",
    )
    add_url_option(parser)
    parser.add_argument("--from", dest="start", type=moment, metavar="TIME", help="of the history")
    parser.add_argument("--until", type=moment, metavar="TIME", help="of the history")
    parser.add_argument(
        "--then",
        type=duration_option,
        default=_AFTERWARDS,
        metavar="DURATION",
        help="play on for so long after the last of --samples (default: 10m)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what would have been told; nothing is sent."""
    _check(arguments)
    inputs = settings_inputs(arguments)
    routing = _routing(arguments, inputs)
    surroundings = surroundings_of(inputs.settings if inputs else None)
    scenes = (
        list(_made_up(arguments, inputs))
        if arguments.samples
        else [_from_history(arguments, inputs)]
    )
    if not scenes:
        which = " whose name --run finds" if arguments.run else ""
        message = f"{arguments.samples} has no test{which}, so there is nothing to play"
        raise InputError([Problem(file="command line", path="--samples", message=message)])
    rows = []
    for scene in scenes:
        simulation = Simulation(
            scene.groups,
            routing,
            scene.store,
            surroundings,
            accepted=accepted_findings(inputs),
            limits=_flapping(inputs),
            said=scene.said,
            stood=scene.stood,
        )
        result = simulation.run(scene.start, scene.end)
        if arguments.json:
            rows.append(_row(scene, result))
        else:
            print("\n".join(_lines(scene, result, routing, is_made_up=bool(arguments.samples))))
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    wrong = [
        (option, f"belongs to {whose}")
        for option, value, whose, there in (
            ("--run", arguments.run, "--samples", arguments.samples),
            ("--from", arguments.start, "--history", not arguments.samples),
            ("--until", arguments.until, "--history", not arguments.samples),
            ("--history", arguments.history, "another run than --samples", not arguments.samples),
            ("--url", arguments.url, "another run than --samples", not arguments.samples),
            ("--url", arguments.url, "another run than --history", not arguments.history),
        )
        if value and not there
    ]
    if arguments.then > _LONGEST:
        wrong.append(("--then", f"expected at most {format_duration(_LONGEST)}"))
    if wrong:
        raise InputError(
            [Problem(file="command line", path=path, message=text) for path, text in wrong]
        )


def _routing(arguments: argparse.Namespace, inputs: "Inputs | None") -> Routing:
    file: Path | None = arguments.alertmanager_config
    if file is None and inputs and inputs.settings and inputs.settings.alertmanager_config:
        file = Path(inputs.settings.alertmanager_config)
    return log_only() if file is None else routing_of_file(arguments, file)


def _flapping(inputs: "Inputs | None") -> FlapLimits:
    if inputs is None or inputs.settings is None:
        return DEFAULT_LIMITS
    return inputs.settings.notifications.flapping.limits()


def _made_up(arguments: argparse.Namespace, inputs: "Inputs | None") -> Iterator[_Scene]:
    file = load_tests(arguments.samples)
    groups = load_rules(
        arguments.rules or file.rule_files, default_interval=file.evaluation_interval
    )
    if not groups:
        groups = rule_groups(inputs)
    for number, test in enumerate(file.tests, 1):
        name = test.name or f"test {number}"
        if arguments.run is None or arguments.run.search(name):
            store = Store(retention=_FOREVER)
            for place, series in enumerate(test.series):
                fill(store, series, place, test.interval)
            yield _Scene(
                name=name,
                store=store,
                groups=groups,
                start=_EPOCH,
                end=_EPOCH + _length(test) + arguments.then,
            )


def _length(test: RuleTest) -> timedelta:
    return test.interval * max((len(series.values) for series in test.series), default=0)


def _from_history(arguments: argparse.Namespace, inputs: "Inputs | None") -> _Scene:
    history = read_history(arguments)
    store = Store(retention=_FOREVER)
    store.restore(history.kept)
    first = min(int(one.rows.times[0]) for one in history.kept)
    last = max(int(one.rows.times[-1]) for one in history.kept)
    # Where no sample is there is nothing to evaluate, and years of it take as long.
    start = max(arguments.start or _at(first), _at(first))
    end = min(arguments.until or _at(last), _at(last))
    if end < start:
        message = f"{history.name} is from {_at(first)} until {_at(last)}; nothing is left of it"
        raise InputError([Problem(file="command line", path="--from, --until", message=message)])
    return _Scene(
        name=history.name,
        store=store,
        groups=load_rules(arguments.rules) if arguments.rules else rule_groups(inputs),
        start=start,
        end=end,
        stood=Answers(history.kept, _LOOKBACK // timedelta(milliseconds=1)).stood,
        said=Interventions(
            silences={str(one["id"]): _silence(one, start) for one in history.silences}
        ),
    )


def _silence(body: Any, start: datetime) -> Silence:
    """Return a silence of the API; the end of one that was over at `start` is not told again."""
    one = posted_silence(body, start)
    return replace(one, reported_at=one.ends_at) if one.ends_at <= start else one


def _lines(
    scene: _Scene, result: Simulated, routing: Routing, *, is_made_up: bool
) -> Iterator[str]:
    rules = sum(len(group.rules) for group in scene.groups)
    length = format_duration(scene.end - scene.start)
    yield (
        f"{scene.name}: {length}, rules: {rules}, routes: {len(list(walk(routing.root)))}, "
        f"alerts fired: {sum(result.fired.values())}, messages: {len(result.told)}"
    )
    for one in result.told:
        time = (
            f"+{format_duration(one.time - scene.start)}"
            if is_made_up
            else one.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        )
        yield f"{time}  {one.receiver} ({one.channel}): {one.reason}, {one.group_key}"
        for alert in one.alerts:
            summary = alert.annotations.get("summary", "")
            yield f"    {alert.status:<8}  {alert.labels!r}" + (f"  {summary}" if summary else "")
    for (rule, error), count in result.failures.items():
        yield f"rule {rule} failed ({count}x): {error}"


def _row(scene: _Scene, result: Simulated) -> dict[str, Any]:
    return {
        "name": scene.name,
        "from": scene.start.isoformat(),
        "until": scene.end.isoformat(),
        "fired": {rule: count for rule, count in result.fired.items() if count},
        "messages": [_message(one) for one in result.told],
        "errors": [
            {"rule": rule, "error": error, "count": count}
            for (rule, error), count in result.failures.items()
        ],
    }


def _message(one: Notification) -> dict[str, Any]:
    return {
        "time": one.time.isoformat(),
        "receiver": one.receiver,
        "channel": one.channel,
        "reason": one.reason,
        "status": one.status,
        "group_key": one.group_key,
        "alerts": [
            {
                "status": alert.status,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "starts_at": alert.starts_at.isoformat(),
                "ends_at": alert.ends_at.isoformat() if alert.ends_at else None,
            }
            for alert in one.alerts
        ],
    }


def _at(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
