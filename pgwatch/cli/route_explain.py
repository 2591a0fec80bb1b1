"""`pgwatch route explain`: where an alert goes, when, and what keeps it quiet now."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgwatch.alerts.testfile import read_labels
from pgwatch.cli.client import ApiClient, UnansweredError, add_url_option
from pgwatch.cli.office import local_time, state_path
from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.samples.labels import Labels
from pgwatch.units import format_duration


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "labels",
        nargs="+",
        metavar="LABELS",
        help="""of the alert: '{alertname="PostgresDown",severity="critical"}', or alertname=PostgresDown""",
    )
    parser.add_argument(
        "--alertmanager-config",
        type=Path,
        metavar="FILE",
        help="explain by FILE, as if nothing fired and nothing were silenced; no pgwatch is asked",
    )
    add_url_option(parser)
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    labels = _labels(arguments.labels)
    found, asked = _explanation(arguments, labels)
    if arguments.json:
        print(json.dumps({**found, "from": asked}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, asked)))
    return 0


def _labels(texts: Sequence[str]) -> Labels:
    """Return the labels of the command line; raises InputError."""
    pairs: dict[str, str] = {}
    problems = []
    for text in texts:
        try:
            pairs |= _labels_of(text)
        except ValueError as error:
            message = f"{text!r}: {error}"
            problems.append(Problem(file="command line", path="LABELS", message=message))
    if problems:
        raise InputError(problems)
    return Labels({name: value for name, value in pairs.items() if value})


def _labels_of(text: str) -> dict[str, str]:
    """Return one label, or all of a selector; raises ValueError."""
    if text.lstrip().startswith("{"):
        return dict(read_labels(text))
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise ValueError("expected labels such as alertname=PostgresDown")
    if name.endswith("!") or value.startswith("~"):
        raise ValueError("an alert has labels, not matchers; name one value, with =")
    return {name: value.removeprefix('"').removesuffix('"')}


def _explanation(arguments: argparse.Namespace, labels: Labels) -> tuple[dict[str, Any], str]:
    """Return the explanation, and whose it is: a running pgwatch's, a state file's or a file's."""
    if arguments.alertmanager_config is not None:
        return _by_file(arguments, labels, arguments.alertmanager_config, None)
    client = ApiClient(arguments)
    try:
        answer = client.call("GET", "api/pgwatch/v1/route", params=dict(labels))
    except UnansweredError:
        if arguments.url:
            raise
    else:
        return answer, f"pgwatch at {client.url}"
    inputs = settings_inputs(arguments)
    config = inputs.settings.alertmanager_config if inputs and inputs.settings else None
    if config is None:
        raise PgwatchError(
            f"nothing answers at {client.url}, and no alertmanager.yml is configured: start `pgwatch run`, "
            "or name a file with --alertmanager-config"
        )
    state = state_path(arguments)
    return _by_file(arguments, labels, Path(config), state if state.exists() else None)


def _by_file(
    arguments: argparse.Namespace, labels: Labels, config: Path, state_file: Path | None
) -> tuple[dict[str, Any], str]:
    from pgwatch.alerts.outward import outward  # noqa: PLC0415 - as the imports below
    from pgwatch.cli.office import external_labels  # noqa: PLC0415
    from pgwatch.cli.settings import routing_of_file  # noqa: PLC0415
    from pgwatch.notify.dispatch import DispatchState, restore  # noqa: PLC0415
    from pgwatch.notify.explain import explain  # noqa: PLC0415
    from pgwatch.notify.interventions import Interventions  # noqa: PLC0415
    from pgwatch.state.store import State  # noqa: PLC0415 - brings SQLAlchemy
    from pgwatch.web.explanation_json import explanation_json  # noqa: PLC0415 - brings Starlette

    now = datetime.now(UTC)
    routing = routing_of_file(arguments, config)
    said, dispatch, asked = Interventions(), DispatchState(), str(config)
    alerts = []
    if state_file is not None:
        state = State.open(state_file, exclusive=False)
        try:
            said, dispatch = state.load_interventions(), state.load_dispatch()
            by_rule = outward(state.load_alerts(), external_labels(arguments))
            alerts = [one for of_rule in by_rule.values() for one in of_rule]
            alerts += [one.as_alert(now) for one in state.load_posted().values()]
        finally:
            state.close()
        dispatch = restore(routing, dispatch, alerts, now).state
        asked += f" and the state in {state_file}, of a pgwatch that does not run"
    explanation = explain(routing, labels, now, groups=dispatch.groups, said=said, alerts=alerts)
    return explanation_json(explanation, now), asked


def _lines(found: Mapping[str, Any], asked: str) -> Iterator[str]:
    yield f"{Labels(found['labels'])!r}, by {asked}"
    for route in found["routes"]:
        yield ""
        yield " → ".join(route["path"])
        yield f"  receiver     {route['receiver']} ({', '.join(route['channels']) or 'tells nobody'})"
        yield f"  group        {route['group_key']}"
        timers = (
            f"{name} {_duration(route[f'{name}_seconds'])}"
            for name in ("group_wait", "group_interval", "repeat_interval")
        )
        yield f"  timers       {', '.join(timers)}"
        yield f"  next flush   {_next_flush(route)}"
        if route["muted_by_time_intervals"]:
            yield "  quiet now    by the time intervals of the route"
    yield ""
    for silence in found["silenced_by"]:
        yield f"silenced       {silence['id']}, {silence['because']}, until {local_time(silence['until'])}"
    for labels in found["inhibited_by"]:
        yield f"inhibited      while {Labels(labels)!r} fires"
    if who := found["acknowledgement"]:
        yield f"acknowledged   by {who['owner']}" + (
            f": {who['comment']}" if who["comment"] else ""
        )
    if not (found["silenced_by"] or found["inhibited_by"] or found["acknowledgement"]):
        yield "neither silenced nor inhibited nor acknowledged"


def _next_flush(route: Mapping[str, Any]) -> str:
    group = route["group"]
    if group is None:
        return (
            f"{_duration(route['group_wait_seconds'])} after it fires: there is no such group now"
        )
    at = local_time(route["next_flush"], "%Y-%m-%d %H:%M:%S %Z")
    return f"{at}, the group has {group['firing']} firing"


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))
