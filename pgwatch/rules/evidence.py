"""Rules whose annotation `evidence` names no query: they load, and their alerts come without rows."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from pgwatch.rules.rule import AlertingRule, RuleGroup

EVIDENCE: Final = "evidence"  # the annotation: a query of the catalogue, such as core/blocked


def unknown_evidence(groups: Iterable[RuleGroup], known: Collection[str]) -> list[str]:
    """Return a warning for each rule that names a query that is not among the `known` ones."""
    return [
        f"{rule.file}:{rule.line}: rule {rule.name} names the evidence {name!r}, and there is no such query"
        + (f"; did you mean {near[0]}?" if (near := get_close_matches(name, known, 1)) else "")
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertingRule) and (name := rule.annotations.get(EVIDENCE, "").strip())
        if name not in known and "{{" not in name
    ]
