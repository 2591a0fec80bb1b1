"""What one target showed, and what of it feeds a rule. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pgwatch.check.spec import Producers, metric_names
from pgwatch.collect.outcome import Answered, Denied, NotApplicable, QueryRun
from pgwatch.promql.engine import Engine
from pgwatch.rules.evaluate import NOWHERE
from pgwatch.rules.rule import AlertingRule
from pgwatch.rules.template import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one target showed: how its queries and probes ended, and the samples they brought."""

    runs: Mapping[str, Sequence[QueryRun]]  # by source name
    engine: Engine  # over this target's samples alone
    now: datetime
    broken: Mapping[str, str] = field(default_factory=dict)
    # recorded metrics that are not there because their rule failed, and why
    surroundings: Surroundings = NOWHERE  # for the templates of rules
    earlier: Mapping[str, Sequence[QueryRun]] = field(default_factory=dict)
    # how they ended at the beginning of the window, where there is one
    begun: datetime | None = None  # before the first of those


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """How the queries and probes ended that bring what a rule reads."""

    absent: Mapping[str, str]  # metrics that do not exist here, and why
    empty: Collection[str]  # metrics that were read, and have no series
    doubted: Collection[str]  # metrics that were not, or not wholly, read
    doubts: Sequence[str]  # why
    cures: tuple[str, ...]


def feeding(rule: AlertingRule, seen: Seen, producers: Producers) -> Fed:
    """Return how what `rule` reads was brought, or was not."""
    absent: dict[str, str] = {}
    doubts: list[str] = []
    cures: list[str] = []
    empty, doubted = set[str](), set[str]()
    looks_twice = producers.looks_twice(rule)
    for metric in metric_names(rule):
        feeding = [run for name in producers.of_metric(metric) for run in seen.runs.get(name, ())]
        unsure = [doubt for run in feeding if (doubt := _doubt(run))]
        unsure += [seen.broken[metric]] if metric in seen.broken else []
        if looks_twice:
            unsure += _unseen_before(producers.of_metric(metric), seen)
        if unsure:
            doubted.add(metric)
        if not feeding:
            absent[metric] = producers.why_absent(metric)
        elif all(isinstance(run.outcome, NotApplicable) for run in feeding):
            absent[metric] = _reasons(feeding)
        elif not unsure and metric not in producers.historic and not _has_series(metric, seen):
            empty.add(metric)
        doubts += unsure
        cures += [run.outcome.grant for run in feeding if isinstance(run.outcome, Denied)]
    return Fed(absent=absent, empty=empty, doubted=doubted, doubts=doubts, cures=tuple(cures))


def _unseen_before(names: frozenset[str], seen: Seen) -> list[str]:
    """Return why the beginning of the window is not known, of what answers now."""
    lead = "at the beginning of the window,"
    doubts = []
    for name in names & seen.runs.keys():
        runs = seen.earlier.get(name, ())
        doubts += [] if runs else [f"{lead} {name} was not asked"]
        for run in runs:
            if not isinstance(run.outcome, Answered) and (doubt := _doubt(run)):
                doubts.append(f"{lead} {doubt}")
    return doubts


def _has_series(metric: str, seen: Seen) -> bool:
    """Return whether there is a series of `metric` now; "" is any."""
    if not metric:
        return True
    answer = seen.engine.instant(f'{{__name__="{metric}"}}', round(seen.now.timestamp() * 1000))
    return bool(answer.vector)


def _doubt(run: QueryRun) -> str:
    """Return why the run's answer cannot be taken as complete, "" if it can."""
    outcome = run.outcome
    name = run.source.query
    if isinstance(outcome, Answered):
        dropped = dict(run.collected.dropped) if run.collected else {}
        cut = dropped.pop("max_series", 0)
        said = [f"{name} has {cut} more series than its max_series lets through"] if cut else []
        said += [f"{name} dropped {count} series ({why})" for why, count in dropped.items()]
        return "; ".join(said)
    if isinstance(outcome, NotApplicable):
        return ""
    if isinstance(outcome, Denied):
        return outcome.reason
    return f"{name}: {outcome.reason}"


def _reasons(runs: Iterable[QueryRun]) -> str:
    return "; ".join(
        dict.fromkeys(run.outcome.reason for run in runs if isinstance(run.outcome, NotApplicable))
    )
