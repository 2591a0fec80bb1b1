"""From a poll to an evaluation without a clock in between: which rules read what has just changed, and when.

Slots stay as they are. Between them, the alerting rules that read a query whose answer differs from the one
before are evaluated as soon as the pass over its target is over, and at the very end of a `for`.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import QueryRun
from pgwatch.daemon.slots import slot_to_await
from pgwatch.promql.ast import selectors
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.samples.labels import METRIC_NAME, MatchType

_CLOSE: Final = timedelta(
    milliseconds=2
)  # samples have whole milliseconds; two would be at one time
# Evaluations between slots take at most this share of the time that goes by.
_SHARE: Final = 0.2
_OF_ALERTS: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
_OF_A_PROBE: Final = "probe/"


class Changes:
    """Which metrics have changed since the pass over their target began."""

    def __init__(self) -> None:
        self._changed: dict[str, set[str]] = {}  # by target

    def take(self, run: QueryRun, before: QueryRun | None) -> frozenset[str]:
        """Note what `run` brought that is new against the run `before`; returns what nothing waits for.

        A query waits for the rest of its pass: a rule that compares two of them must not see a new answer
        beside an old one. A probe is a pass of its own.
        """
        if run.collected is None or _same(run, before):
            return frozenset()
        names = frozenset(family.name for family in run.collected.families)
        if run.source.query.startswith(_OF_A_PROBE):
            return names
        self._changed.setdefault(run.source.target, set()).update(names)
        return frozenset()

    def settled(self, target: str) -> frozenset[str]:
        """Return what has changed, now that the pass over `target` is over."""
        return frozenset(self._changed.pop(target, ()))


class Rhythm:
    """When one rule group is evaluated, and which of its rules between two slots."""

    def __init__(self, group: RuleGroup, recorded: Collection[str]) -> None:
        """Expect what recording rules write, the metrics `recorded`, to be new at slots only."""
        self._group = group
        self._reads = readers(group, recorded)
        self._chained = {rule.id: rule for of_name in self._reads.values() for rule in of_name}
        self._news: set[str] = set()  # ids of rules that read something new
        self._awake = asyncio.Event()
        self._rested_at = datetime.min.replace(tzinfo=UTC)

    def notice(self, names: Iterable[str]) -> None:
        """Let the rules that read one of `names` be evaluated soon; on the event loop only."""
        for name in names:
            self._news.update(rule.id for rule in self._reads.get(name, ()))
        if self._news:
            self._awake.set()

    async def due(
        self, slot: datetime, alerts: Mapping[str, tuple[Alert, ...]], since: datetime
    ) -> tuple[datetime, RuleGroup]:
        """Wait for `slot`, or for what comes before it; returns the time and what is evaluated then.

        That is the whole group at its slot (another one if the clock is set back meanwhile), and some of its
        rules at another time. `alerts` are those after the evaluation before, which was of time `since`.
        """
        group = self._group
        timer = self._next_timer(alerts, since)
        while (now := datetime.now(UTC)) < slot:
            slot = slot_to_await(group, slot, now)
            close = slot - now <= _CLOSE
            if timer is not None and timer <= now and not close:
                return now, self._part({*self._news, *self._ending(alerts, now)})
            if self._news and self._rested_at <= now and not close:
                return now, self._part(self._news)
            ends = [slot, now + group.interval]
            if not close:
                ends += [timer] if timer else []
                ends += [self._rested_at] if self._news else []
            await self._sleep(min(ends) - now)
        self._news.clear()
        return slot, group

    def evaluated(self, elapsed: timedelta) -> None:
        """Rest after an evaluation between slots that took `elapsed`."""
        self._rested_at = datetime.now(UTC) + elapsed * (1 / _SHARE - 1)

    def _part(self, rules: Collection[str]) -> RuleGroup:
        wanted = tuple(rule for rule in self._group.rules if rule.id in rules)
        self._news.clear()
        return _with_rules(self._group, wanted)

    async def _sleep(self, pause: timedelta) -> None:
        self._awake.clear()
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._awake.wait()
        except TimeoutError:
            pass

    def _next_timer(
        self, alerts: Mapping[str, tuple[Alert, ...]], since: datetime
    ) -> datetime | None:
        """Return when the first `for` or `keep_firing_for` ends that had not ended at `since`."""
        ends = (end for rule in self._chained.values() for end in _ends(rule, alerts))
        return min((end for end in ends if end > since), default=None)

    def _ending(self, alerts: Mapping[str, tuple[Alert, ...]], now: datetime) -> set[str]:
        return {
            rule.id
            for rule in self._chained.values()
            if any(end <= now for end in _ends(rule, alerts))
        }


def readers(group: RuleGroup, recorded: Collection[str]) -> Mapping[str, tuple[AlertingRule, ...]]:
    """Return the rules that may be evaluated between slots, by each metric that they read.

    Not those that read the result of another rule, which is new at slots only, nor what they read by a
    pattern, which may be such a result; nor any of a group that looks at the past (`query_offset`).
    """
    found: dict[str, tuple[AlertingRule, ...]] = {}
    if group.query_offset:
        return found
    for rule in group.rules:
        names = _metrics(rule) if isinstance(rule, AlertingRule) else None
        if isinstance(rule, AlertingRule) and names and names.isdisjoint(recorded):
            for name in names:
                found[name] = (*found.get(name, ()), rule)
    return found


def recorded_by(groups: Iterable[RuleGroup]) -> frozenset[str]:
    """Return the metrics that the rules of `groups` write."""
    rules = (rule for group in groups for rule in group.rules)
    return _OF_ALERTS | {rule.name for rule in rules if isinstance(rule, RecordingRule)}


def _metrics(rule: Rule) -> frozenset[str] | None:
    """Return the metrics that `rule` reads; None if one is not given by its name."""
    names = set()
    for selector in selectors(rule.expr):
        given = [
            one.value
            for one in selector.matchers
            if one.name == METRIC_NAME and one.type is MatchType.EQUAL
        ]
        if not given:
            return None
        names.update(given)
    return frozenset(names)


def _ends(rule: AlertingRule, alerts: Mapping[str, tuple[Alert, ...]]) -> Iterable[datetime]:
    """Return when the timers of the rule's alerts that run now will end."""
    for alert in alerts.get(rule.id, ()):
        if alert.no_data_since is not None:
            continue  # they stand still
        if alert.state is AlertState.PENDING:
            yield alert.active_at + rule.hold
        elif alert.keep_firing_since is not None:
            yield alert.keep_firing_since + rule.keep_firing_for


def _same(run: QueryRun, before: QueryRun | None) -> bool:
    """Return whether an answer says what the one before said."""
    if before is None or before.collected is None or run.collected is None:
        return False
    new, old = run.collected, before.collected
    return list(new.values) == list(old.values) and list(new.labels) == list(old.labels)


def _with_rules(group: RuleGroup, rules: tuple[Rule, ...]) -> RuleGroup:
    return RuleGroup(
        name=group.name,
        file=group.file,
        interval=group.interval,
        limit=group.limit,
        rules=rules,
    )
