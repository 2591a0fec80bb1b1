"""`pgwatch rules`: the rules in force, whether rule files are good, and what else can be done with them."""

import argparse
import json
import sys
from pathlib import Path

from pgwatch.cli import rules_explain, rules_export, rules_lint, rules_test
from pgwatch.cli.options import CommandParser
from pgwatch.cli.settings import settings_inputs
from pgwatch.rules.label_values import unknown_values
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import AlertingRule, RuleGroup
from pgwatch.units import format_duration
from pgwatch.wiring import rule_groups


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = commands.add_parser(
        "list", help="every rule in force, with severity, phase and `for`"
    )
    listing.set_defaults(act=_list)
    check = commands.add_parser("check", help="read rule files as strictly as Prometheus does")
    check.add_argument("file", nargs="+", type=Path, metavar="FILE")
    check.set_defaults(act=_check)
    rules_lint.configure(
        commands.add_parser("lint", help="find rules that load and are useless all the same")
    )
    rules_explain.configure(
        commands.add_parser("explain", help="what each part of a rule is now, at a running pgwatch")
    )
    rules_test.configure(
        commands.add_parser("test", help="run unit tests of rules, as `promtool test rules` does")
    )
    rules_export.configure(
        commands.add_parser("export", help="write the rules in force as files for a Prometheus")
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    return int(arguments.act(arguments))


def _list(arguments: argparse.Namespace) -> int:
    groups = rule_groups(settings_inputs(arguments))
    if arguments.json:
        print(
            json.dumps(
                [_row(group, index) for group in groups for index in range(len(group.rules))],
                indent=2,
            )
        )
        return 0
    width = max((len(rule.name) for group in groups for rule in group.rules), default=0)
    for group in groups:
        print(f"{group.name} (every {format_duration(group.interval)})")
        for rule in group.rules:
            kind = ""
            if isinstance(rule, AlertingRule):
                hold = f"  for {format_duration(rule.hold)}" if rule.hold else ""
                kind = f"{rule.severity:<8}  {rule.phase:<11}{hold}"
            print(f"  {rule.name:<{width}}  {kind}".rstrip())
            print(f"  {'':<{width}}  {' '.join(rule.query.split())}")
    return 0


def _row(group: RuleGroup, index: int) -> dict[str, object]:
    rule = group.rules[index]
    row: dict[str, object] = {
        "name": rule.name,
        "group": group.name,
        "file": rule.file,
        "line": rule.line,
        "type": "alerting" if isinstance(rule, AlertingRule) else "recording",
        "query": rule.query,
        "labels": dict(rule.labels),
    }
    if isinstance(rule, AlertingRule):
        row |= {"for_seconds": rule.hold.total_seconds(), "annotations": dict(rule.annotations)}
    return row


def _check(arguments: argparse.Namespace) -> int:
    groups = load_rules(arguments.file)
    rules = sum(len(group.rules) for group in groups)
    files = ", ".join(str(file) for file in arguments.file)
    warnings = unknown_values(groups)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    s, of_s = ("" if len(groups) == 1 else "s"), ("" if rules == 1 else "s")
    verdict = "good but for the warnings" if warnings else "all good"
    print(f"{files}: {len(groups)} group{s} with {rules} rule{of_s}, {verdict}")
    return 0
