"""The API's rules and alerts, in Prometheus's shapes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.rules.rule import AlertingRule, Rule, RuleGroup
from pgwatch.samples.labels import Labels
from pgwatch.web.api_answer import Answer, exponent, rfc3339, to_json
from pgwatch.web.api_parameters import Parameters, invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule and how its newest evaluation went."""

    rule: Rule
    alerts: tuple[Alert, ...] = ()
    at: datetime | None = None  # of the newest evaluation; None: there was none yet
    error: str = ""
    elapsed_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group of rules."""

    group: RuleGroup
    rules: tuple[RuleView, ...]


def rules(groups: Sequence[GroupView], parameters: Parameters) -> Answer:
    """Answer `rules`: the groups with the rules that pass the filters."""
    kind = parameters.text("type").lower()
    if kind not in ("", "alert", "record"):
        raise invalid("type", f'not supported value "{kind}"')
    with_alerts = not parameters.is_true("exclude_alerts")
    chosen = [group for group in _chosen(groups, parameters, kind) if group.rules]
    page, token = _page(chosen, parameters)
    data: dict[str, Any] = {"groups": [_group(group, with_alerts) for group in page]}
    if token:
        data["groupNextToken"] = token
    return Answer(data=to_json(data))


def alerts(groups: Sequence[GroupView]) -> Answer:
    """Answer `alerts`: every alert that is pending or firing."""
    shown = [alert for group in groups for rule in group.rules for alert in _alerts(rule)]
    return Answer(data=to_json({"alerts": shown}))


def _chosen(groups: Sequence[GroupView], parameters: Parameters, kind: str) -> Iterator[GroupView]:
    names = parameters.all("rule_name[]")
    group_names, files = parameters.all("rule_group[]"), parameters.all("file[]")
    selectors = parameters.selectors()

    def passes(view: RuleView) -> bool:
        rule = view.rule
        labels = Labels(rule.labels)
        return (
            (not kind or isinstance(rule, AlertingRule) is (kind == "alert"))
            and (not names or rule.name in names)
            and (
                not selectors or any(all(one.matches(labels) for one in each) for each in selectors)
            )
        )

    for view in groups:
        if group_names and view.group.name not in group_names:
            continue
        if files and view.group.file not in files:
            continue
        yield replace(view, rules=tuple(rule for rule in view.rules if passes(rule)))


def _page(groups: list[GroupView], parameters: Parameters) -> tuple[list[GroupView], str]:
    """Return the groups of the wanted page, and the token of the next one, "" after the last."""
    limit, token = parameters.limit("group_limit"), parameters.text("group_next_token")
    if token and not limit:
        raise invalid("group_limit", "group_limit needs to be set with group_next_token")
    tokens = [_token(view.group) for view in groups]
    if token and token not in tokens:
        raise invalid(
            "group_next_token", f"invalid group_next_token '{token}'. were rule groups changed?"
        )
    start = tokens.index(token) if token else 0
    end = start + limit if limit else len(groups)
    return groups[start:end], tokens[end] if end < len(groups) else ""


def _token(group: RuleGroup) -> str:
    return hashlib.sha256(f"{group.file};{group.name}".encode()).hexdigest()[:40]


def _group(view: GroupView, with_alerts: bool) -> dict[str, Any]:
    group = view.group
    return {
        "name": group.name,
        "file": group.file,
        "rules": [_rule(rule, with_alerts) for rule in view.rules],
        "interval": group.interval.total_seconds(),
        "limit": group.limit,
        "evaluationTime": sum(rule.elapsed_seconds for rule in view.rules),
        "lastEvaluation": rfc3339(max((rule.at for rule in view.rules if rule.at), default=None)),
    }


def _rule(view: RuleView, with_alerts: bool) -> dict[str, Any]:
    rule = view.rule
    shown: dict[str, Any] = {"name": rule.name, "query": rule.query, "labels": dict(rule.labels)}
    shown["health"] = "unknown" if view.at is None else "err" if view.error else "ok"
    if view.error:
        shown["lastError"] = view.error
    shown["evaluationTime"] = view.elapsed_seconds
    shown["lastEvaluation"] = rfc3339(view.at)
    if not isinstance(rule, AlertingRule):
        return shown | {"type": "recording"}
    return shown | {
        "state": _state(view),
        "duration": rule.hold.total_seconds(),
        "keepFiringFor": rule.keep_firing_for.total_seconds(),
        "annotations": dict(rule.annotations),
        "alerts": list(_alerts(view)) if with_alerts else [],
        "type": "alerting",
    }


def _state(view: RuleView) -> str:
    if view.at is None and not view.alerts:
        return "unknown"
    states = {alert.state for alert in view.alerts}
    for state in (AlertState.FIRING, AlertState.PENDING):
        if state in states:
            return str(state)
    return "inactive"


def _alerts(view: RuleView) -> Iterator[dict[str, Any]]:
    for alert in view.alerts:
        if alert.state is AlertState.RESOLVED:
            continue
        shown: dict[str, Any] = {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "state": str(alert.state),
            "activeAt": rfc3339(alert.active_at),
            "value": exponent(alert.value),
        }
        if alert.keep_firing_since is not None:
            shown["keepFiringSince"] = rfc3339(alert.keep_firing_since)
        yield shown
