"""Values of `severity` and `phase` that pgwatch does not know: the rules load and count as something else."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from pgwatch.rules.rule import AlertingRule, Phase, RuleGroup, Severity


def unknown_values(groups: Iterable[RuleGroup]) -> list[str]:
    """Return a warning for each value, with the place of its rule; a template may give any."""
    return [
        f"{rule.file}:{rule.line}: rule {rule.name} {warning}"
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertingRule)
        for warning in _warnings(rule)
    ]


def _warnings(rule: AlertingRule) -> Iterator[str]:
    read: tuple[tuple[str, type[StrEnum], StrEnum], ...] = (
        ("severity", Severity, rule.severity),
        ("phase", Phase, rule.phase),
    )
    for label, values, taken in read:
        value = rule.labels.get(label, taken)
        if value not in list(values) and "{{" not in value:
            known = ", ".join(values)
            yield f"has the {label} {value!r}, which counts as {taken}; known are {known}"
