"""The rules in force as standard Prometheus rule files. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from pgwatch.rules.rule import AlertingRule, Rule, RuleGroup
from pgwatch.units import format_duration

HEADER = "# Written by `pgwatch rules export`; change the original and export again.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def rule_files(groups: Iterable[RuleGroup]) -> dict[str, str]:
    """Return the text of each file by its name: one for each that the groups came from.

    Files of the same name from several folders get a number. A group without rules is left out.
    """
    by_file: dict[str, list[RuleGroup]] = {}
    for group in groups:
        if group.rules:
            by_file.setdefault(group.file, []).append(group)
    written: dict[str, str] = {}
    for file, of_file in by_file.items():
        path, name, number = Path(file), Path(file).name, 1
        while name in written:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        written[name] = rule_file(of_file)
    return written


def rule_file(groups: Sequence[RuleGroup]) -> str:
    """Return the text of one file with `groups`; labels of groups stand in their rules."""
    document = {"groups": [_group(group) for group in groups]}
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HEADER + body


def _group(group: RuleGroup) -> dict[str, Any]:
    # The interval is always written: ours without one is not Prometheus's.
    shown: dict[str, Any] = {"name": group.name, "interval": format_duration(group.interval)}
    if group.query_offset:
        shown["query_offset"] = format_duration(group.query_offset)
    if group.limit:
        shown["limit"] = group.limit
    return shown | {"rules": [_rule(rule) for rule in group.rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    alerting = isinstance(rule, AlertingRule)
    shown: dict[str, Any] = {"alert" if alerting else "record": rule.name, "expr": rule.query}
    if isinstance(rule, AlertingRule):
        for key, duration in (("for", rule.hold), ("keep_firing_for", rule.keep_firing_for)):
            if duration > timedelta(0):
                shown[key] = format_duration(duration)
    if rule.labels:
        shown["labels"] = dict(rule.labels)
    if isinstance(rule, AlertingRule) and rule.annotations:
        shown["annotations"] = dict(rule.annotations)
    return shown
