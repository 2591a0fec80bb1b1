"""What the daemon gives Prometheus's HTTP API to read."""

from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.evaluating import RuleHealth
from pgwatch.web.api_rules import GroupView, RuleView

_UNTRIED = RuleHealth()


def group_views(alerting: Alerting | None) -> tuple[GroupView, ...]:
    """Return the rule groups in force with their health and alerts."""
    if alerting is None:
        return ()
    return tuple(
        GroupView(
            group=group,
            rules=tuple(
                RuleView(
                    rule=rule,
                    alerts=alerting.alerts.get(rule.id, ()),
                    at=(health := alerting.health.get(rule.id, _UNTRIED)).at,
                    error=health.error,
                    elapsed_seconds=health.elapsed.total_seconds(),
                )
                for rule in group.rules
            ),
        )
        for group in alerting.groups
    )
