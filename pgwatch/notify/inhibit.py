"""Inhibition: an alert is not told while another one fires that explains it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pgwatch.notify.matcher import matches
from pgwatch.samples.labels import Labels, Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class InhibitRule:
    """An entry of `inhibit_rules`."""

    source: tuple[Matcher, ...]  # what explains
    target: tuple[Matcher, ...]  # what is then not told
    equal: tuple[str, ...] = ()  # labels that both must have alike; absent in both is alike


# By the values of the `equal` labels: a source of each kind that fires, where a kind is whether the source
# matches the target side too.
_Sources = dict[tuple[str, ...], dict[bool, Labels]]


class Inhibitor:
    """Says which alerts are inhibited while `firing` alerts fire.

    Sources count even if they are inhibited themselves. An alert that matches both sides is not inhibited
    by another such alert, so that two of a kind do not silence each other (source: Alertmanager
    `inhibit/inhibit.go`).
    """

    def __init__(self, rules: Iterable[InhibitRule], firing: Iterable[Labels]) -> None:
        rules = tuple(rules)
        alerts = tuple(firing) if rules else ()  # ten thousand may fire
        self._rules = [
            (rule, _by_equal(rule, (one for one in alerts if matches(rule.source, one))))
            for rule in rules
        ]

    def inhibits(self, labels: Labels) -> bool:
        """Return whether an alert with `labels` is inhibited."""
        return next(self.explanations(labels), None) is not None

    def explanations(self, labels: Labels) -> Iterator[Labels]:
        """Return for each rule that inhibits an alert with `labels` one alert that explains it."""
        for rule, sources in self._rules:
            if matches(rule.target, labels):
                explanation = _explanation(rule, labels, sources)
                if explanation is not None:
                    yield explanation


def _by_equal(rule: InhibitRule, sources: Iterable[Labels]) -> _Sources:
    found: _Sources = {}
    for labels in sources:
        kinds = found.setdefault(_equal_values(rule, labels), {})
        kinds.setdefault(matches(rule.target, labels), labels)
    return found


def _explanation(rule: InhibitRule, labels: Labels, sources: _Sources) -> Labels | None:
    kinds = sources.get(_equal_values(rule, labels), {})
    two_sided_count = not matches(rule.source, labels)
    return kinds.get(False) or (kinds.get(True) if two_sided_count else None)


def _equal_values(rule: InhibitRule, labels: Labels) -> tuple[str, ...]:
    return tuple(labels.label(name) for name in rule.equal)
