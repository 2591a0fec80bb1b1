"""`pgwatch rules explain`: what each part of a rule is now, asked of a running pgwatch."""

import argparse
import json
from typing import Any

from pgwatch.cli.client import ApiClient, add_url_option
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.promql.parser import parse
from pgwatch.rules.explain import steps
from pgwatch.samples.labels import Labels

_SHOWN = 5  # elements of each part
_INDENT = "  "


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("rule", metavar="RULE", help="its name, such as PostgresSlowQuery")
    parser.add_argument(
        "--all", action="store_true", help=f"show every element, not only the first {_SHOWN}"
    )
    add_url_option(parser, who="pgwatch (or a Prometheus)")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the parts of each rule of that name with their values at one time."""
    client = ApiClient(arguments)
    answer = client.get("rules", **{"rule_name[]": arguments.rule})
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    if not rules:
        message = f"no rule in force at {client.url} is called {arguments.rule!r}"
        raise InputError([Problem(file="command line", message=f"{message} (pgwatch rules list)")])
    now = str(client.ask("query", query="time()")["data"]["result"][1])
    explained = [_explained(client, rule, now) for rule in rules]
    if arguments.json:
        print(json.dumps(explained, indent=2, ensure_ascii=False))
        return 0
    for rule in explained:
        _print(rule, None if arguments.all else _SHOWN)
    return 0


def _explained(client: ApiClient, rule: dict[str, Any], now: str) -> dict[str, Any]:
    """Return the rule with its parts; a part that cannot be evaluated has an error for a value."""
    parts = []
    for step in steps(parse(rule["query"])):
        part: dict[str, Any] = {"depth": step.depth, "expr": str(step.expr)}
        try:
            part |= client.ask("query", query=str(step.expr), time=now)["data"]
        except PgwatchError as error:
            part["error"] = str(error)
        parts.append(part)
    return {**rule, "parts": parts}


def _print(rule: dict[str, Any], most: int | None) -> None:
    labels = " ".join(f"{name}={value}" for name, value in rule["labels"].items())
    print(f"{rule['name']}  {labels}".rstrip())
    print(f"{_INDENT}{_standing(rule)}")
    for part in rule["parts"]:
        indent = _INDENT * (part["depth"] + 1)
        print(f"\n{indent}{part['expr']}")
        lines = _values(part)
        for line in lines[:most]:
            print(f"{indent}  = {line}")
        if most is not None and len(lines) > most:
            print(f"{indent}    and {len(lines) - most} more (--all shows them)")
    print()


def _standing(rule: dict[str, Any]) -> str:
    """Return in one line how the rule stands."""
    if rule.get("lastError"):
        return f"cannot be evaluated: {rule['lastError']}"
    if rule["health"] == "unknown":
        return "has not been evaluated yet"
    if rule["type"] == "recording":
        return "records the value of its expression"
    alerts = [alert["state"] for alert in rule["alerts"]]
    told = [f"{alerts.count(state)} {state}" for state in ("firing", "pending") if state in alerts]
    hold = f"for {rule['duration']:g}s: " if rule["duration"] else ""
    return f"{hold}{', '.join(told) or 'quiet'}"


def _values(part: dict[str, Any]) -> list[str]:
    if "error" in part:
        return [f"error: {part['error']}"]
    kind, result = part["resultType"], part["result"]
    if kind in ("scalar", "string"):
        return [str(result[1])]
    if not result:
        return ["nothing"]
    if kind == "matrix":
        return [
            f"{Labels(one['metric'])!r}: {len(one['values'])} samples,"
            f" {one['values'][0][1]} … {one['values'][-1][1]}"
            for one in result
        ]
    return [f"{one['value'][1]}  {Labels(one['metric'])!r}" for one in result]
