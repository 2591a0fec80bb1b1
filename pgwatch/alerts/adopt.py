"""Alerts of a rule that moved to another group or file."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pgwatch.alerts.alert import Alert
from pgwatch.rules.evaluate import ALERT_NAME
from pgwatch.rules.rule import AlertingRule, Rule


def adopt(
    saved: Mapping[str, tuple[Alert, ...]], rules: Iterable[Rule]
) -> dict[str, tuple[Alert, ...]]:
    """Return the `saved` alerts by rule, those of a rule that moved under its new identity.

    A rule has moved to another group or file if one alerting rule of its name is gone and one is new. Its
    alerts go on, where Prometheus would forget them and begin their `for` anew.
    """
    rules = tuple(rules)
    known = {rule.id for rule in rules}
    new, gone = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for rule in rules:
        if isinstance(rule, AlertingRule) and rule.id not in saved:
            new[rule.name].append(rule.id)
    for rule_id, alerts in saved.items():
        if rule_id not in known and alerts:
            gone[alerts[0].labels.label(ALERT_NAME)].append(rule_id)
    moved = {
        old[0]: new[name][0]
        for name, old in gone.items()
        if len(old) == 1 and len(new.get(name, ())) == 1
    }
    return {
        moved.get(rule_id, rule_id): tuple(
            replace(alert, rule=moved.get(rule_id, rule_id)) for alert in alerts
        )
        for rule_id, alerts in saved.items()
    }
