"""What is known of metrics: their names, labels and types; what the lint of rules goes by. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pgwatch.samples.labels import METRIC_NAME

SCRAPED = frozenset({"instance", "job"})  # what every collected series has

# Gauges of seconds that pass: they grow by at most one a second.
_AGE = re.compile(r"(?!.*last_).*_(?:age|lag|duration)(?:_seconds)?")
_UNITS = ("_seconds", "_bytes", "_ratio", "_total", "_seconds_total", "_bytes_total")
_PLACEHOLDER = re.compile(r"<[^>]*>|\[[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """One metric, or all whose names a pattern with `*` matches."""

    labels: frozenset[str] | None = None  # beside SCRAPED; None: nobody knows
    always: frozenset[str] = frozenset()  # those of `labels` that no series lacks
    is_counter: bool = False
    interval: timedelta | None = None  # between two samples; None: nobody knows


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The known metrics by name or pattern."""

    metrics: Mapping[str, MetricFacts] = field(default_factory=dict)

    def of(self, name: str) -> MetricFacts | None:
        """Return what is known of the metric `name`, None if nothing is."""
        found = self.metrics.get(name)
        if found is not None:
            return found
        for pattern, facts in self.metrics.items():
            if "*" in pattern and fnmatchcase(name, pattern):
                return facts
        return None

    def misses(self, name: str) -> bool:
        """Return whether `name` should be known: other metrics begin with the same word, and it is not."""
        return self.of(name) is None and any(
            _word(known) == _word(name) for known in self.metrics if "*" not in known
        )

    def renamed(self, name: str) -> str:
        """Return the known metric that is the unknown `name` with its unit, "" without one."""
        if not self.misses(name):
            return ""
        return next((name + unit for unit in _UNITS if name + unit in self.metrics), "")

    def is_age(self, name: str) -> bool:
        """Return whether `name` is a gauge of seconds that pass, going by its name."""
        facts = self.of(name)
        return _AGE.fullmatch(name) is not None and not (facts and facts.is_counter)

    @property
    def labels(self) -> frozenset[str]:
        """Every label that some known metric has of its own."""
        return (
            frozenset(label for facts in self.metrics.values() for label in facts.labels or ())
            - SCRAPED
        )

    def alike(self, name: str) -> str:
        """Return the known metric that is most like `name`, "" without one."""
        return next(iter(get_close_matches(name, self.metrics, n=1, cutoff=0.75)), "")

    def __or__(self, other: "Knowledge") -> "Knowledge":
        return Knowledge({**self.metrics, **other.metrics})


def of_document(document: object) -> Knowledge:
    """Return what a YAML or JSON document says: each mapping in it with `name` and `labels` is a metric.

    `type: counter` says that it is one. In a name, `*` stands for anything, and so do `<…>` and `[…]`.
    """
    return Knowledge(dict(_families(document)))


def of_series(series: Iterable[tuple[str, Mapping[str, str], bool]]) -> Knowledge:
    """Return what samples show: name, labels, and whether the metric is a counter, of each."""
    found: dict[str, MetricFacts] = {}
    for name, labels, is_counter in series:
        own = frozenset(labels) - {METRIC_NAME} - SCRAPED
        before = found.get(name)
        found[name] = MetricFacts(
            labels=own if before is None else own | (before.labels or frozenset()),
            always=own if before is None else own & before.always,
            is_counter=is_counter,
        )
    return Knowledge(found)


def _families(node: object) -> Iterator[tuple[str, MetricFacts]]:
    if isinstance(node, list):
        for item in node:
            yield from _families(item)
    elif isinstance(node, dict):
        name, labels = node.get("name"), node.get("labels")
        if isinstance(name, str) and isinstance(labels, list):
            own = frozenset(map(str, labels)) - SCRAPED
            counter = node.get("type") == "counter"
            facts = MetricFacts(labels=own, always=own, is_counter=counter)
            for one in name.split(", "):
                yield _PLACEHOLDER.sub("*", one), facts
        for item in node.values():
            yield from _families(item)


def _word(name: str) -> str:
    return name.partition("_")[0]
