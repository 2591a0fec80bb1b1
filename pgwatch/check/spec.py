"""What is checked: rules by name, and which queries and probes feed them. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pgwatch.check.window import fit
from pgwatch.promql.ast import Call, Expr, VectorSelector, needs_history, selectors, walk
from pgwatch.rules.rule import AlertingRule, Phase, RecordingRule, Rule, RuleGroup, Severity
from pgwatch.samples.labels import METRIC_NAME, MatchType

NEEDS_HISTORY = "needs history, which one run does not have"
OF_THE_DAEMON = ("ALERTS", "pgwatch_")  # metrics that one run does not have by its nature
_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check: the alerting rules that share a name."""

    name: str
    rules: tuple[AlertingRule, ...]
    needs_history: bool  # no rule of it can be told from what one run observes

    @property
    def severity(self) -> Severity:
        """The gravest severity of its rules."""
        return min((rule.severity for rule in self.rules), key=_SEVERITIES.index)

    @property
    def phase(self) -> Phase:
        """The phase of its first rule."""
        return self.rules[0].phase


def check_specs(
    groups: Iterable[RuleGroup],
    *,
    phases: Collection[Phase],
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    window: timedelta | None = None,
) -> tuple[CheckSpec, ...]:
    """Return the checks of `phases` in the rules' order; `only` and `skip` are names or patterns.

    With a `window` a run looks twice, so that more rules can be told.
    """
    groups = tuple(groups)
    historic = historic_metrics(groups, window)
    by_name: dict[str, list[AlertingRule]] = {}
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, AlertingRule):
                by_name.setdefault(rule.name, []).append(rule)
    specs = (
        CheckSpec(
            name=name,
            rules=tuple(rules),
            needs_history=all(lacks_history(rule, historic, window) for rule in rules),
        )
        for name, rules in by_name.items()
    )
    return tuple(spec for spec in specs if spec.phase in phases and is_named(spec.name, only, skip))


def is_named(name: str, only: Collection[str], skip: Collection[str]) -> bool:
    """Return whether `only` and `skip` (names or patterns) leave the check `name`; no `only`: all."""
    wanted = not only or any(fnmatchcase(name, pattern) for pattern in only)
    return wanted and not any(fnmatchcase(name, pattern) for pattern in skip)


class Producers:
    """Which queries and probes bring the metrics that a rule reads."""

    def __init__(
        self,
        by_metric: Mapping[str, Iterable[str]],
        groups: Sequence[RuleGroup] = (),
        *,
        missing: Mapping[str, str] | None = None,
        window: timedelta | None = None,
    ) -> None:
        """Take the source names per metric; recording rules pass on those of what they read.

        `missing` says of a metric what has to be configured before anything brings it. With a `window`
        all sources are asked at its beginning, too.
        """
        self.window = window
        self._by_metric = {metric: frozenset(names) for metric, names in by_metric.items()}
        self._all = frozenset[str]().union(*self._by_metric.values())
        self._missing = dict(missing or {})
        self._mistakes: dict[str, tuple[str, ...]] = {}  # of recorded metrics
        self.historic = historic_metrics(groups, window)
        self._over_window = historic_metrics(groups) - self.historic  # empty without a window
        for group in groups:  # all before any: one may read what a later one records
            for rule in group.rules:
                if isinstance(rule, RecordingRule):
                    self._by_metric.setdefault(rule.name, frozenset())
        for group in groups:
            for rule in group.rules:
                if isinstance(rule, RecordingRule):
                    known = self._by_metric.get(rule.name, frozenset())
                    self._mistakes[rule.name] = self.mistakes(rule)
                    self._by_metric[rule.name] = known | self.of(rule)

    def of(self, rule: Rule) -> frozenset[str]:
        """Return the names of all sources that bring a metric which `rule` reads."""
        return frozenset[str]().union(*(self.of_metric(name) for name in metric_names(rule)))

    def of_metric(self, name: str) -> frozenset[str]:
        """Return the sources of one metric; of every metric if `name` is empty."""
        return self._by_metric.get(name, frozenset()) if name else self._all

    def lacks(self, rule: Rule) -> str:
        """Return why what a run observes is not enough to tell `rule`, "" if it is."""
        return lacks_history(rule, self.historic, self.window)

    def looks_twice(self, rule: Rule) -> bool:
        """Return whether `rule` is told from both ends of the window, itself or by what it reads recorded."""
        return self.window is not None and asks_history(rule, self.historic | self._over_window)

    def why_absent(self, metric: str) -> str:
        """Return why nothing that was run brings `metric`."""
        return self._missing.get(metric) or f"nothing that runs here brings the metric {metric}"

    def mistakes(self, rule: Rule) -> tuple[str, ...]:
        """Return why `rule` cannot be told anywhere: it reads what no query, probe or rule defines.

        That `absent(…)` asks for such a metric is no mistake.
        """
        asked = set(metric_names(rule)) - absence_asked(rule.expr)
        return tuple(
            dict.fromkeys(
                why for name in metric_names(rule) if name in asked for why in self._of_no_one(name)
            )
        )

    def _of_no_one(self, name: str) -> tuple[str, ...]:
        if not name or name in self._by_metric or name.startswith(OF_THE_DAEMON):
            return self._mistakes.get(name, ())
        close = get_close_matches(name, self._by_metric, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return (f"no query brings the metric {name}{hint}",)


def metric_name(selector: VectorSelector) -> str:
    """Return the metric that a selector reads, "" if it may read several."""
    return next(
        (
            matcher.value
            for matcher in selector.matchers
            if matcher.name == METRIC_NAME and matcher.type is MatchType.EQUAL
        ),
        "",
    )


def metric_names(rule: Rule) -> tuple[str, ...]:
    """Return the metric names that a rule's expression reads, "" for a selector that names none."""
    return tuple(dict.fromkeys(metric_name(selector) for selector in selectors(rule.expr)))


def asks_absence(expr: Expr) -> bool:
    """Return whether `expr` is true of what does not exist: there its finding is that it is missing."""
    return isinstance(expr, Call) and expr.func in ("absent", "absent_over_time")


def absence_asked(expr: Expr) -> frozenset[str]:
    """Return the metrics whose absence `expr` reports."""
    calls = (node for node in walk(expr) if asks_absence(node))
    return frozenset(metric_name(selector) for call in calls for selector in selectors(call))


def asks_history(rule: Rule, historic: Collection[str]) -> bool:
    """Return whether `rule` needs more than one observation, also through a recorded metric."""
    return needs_history(rule.expr) or any(name in historic for name in metric_names(rule))


def lacks_history(rule: Rule, historic: Collection[str], window: timedelta | None) -> str:
    """Return why one run does not see enough to tell `rule`, "" if it does."""
    if not asks_history(rule, historic):
        return ""
    if window is None:
        return NEEDS_HISTORY
    if recorded := [name for name in metric_names(rule) if name in historic]:
        return f"needs the history of {', '.join(recorded)}, which --window does not give"
    return fit(rule.expr, window=window).lacks


def historic_metrics(
    groups: Iterable[RuleGroup], window: timedelta | None = None
) -> frozenset[str]:
    """Return the recorded metrics that one run does not give."""
    names: set[str] = set()
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, RecordingRule) and (
                lacks_history(rule, names, window)
                # What was counted over less time is too small, and who reads it would not know.
                or (window is not None and fit(rule.expr, window=window).partial)
            ):
                names.add(rule.name)
    return frozenset(names)
