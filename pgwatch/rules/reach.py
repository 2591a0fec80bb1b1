"""Rules that look back further than samples are kept: they load, and judge less than they say."""

from collections.abc import Iterable
from datetime import timedelta

from pgwatch.promql.reach import reach
from pgwatch.rules.rule import RuleGroup
from pgwatch.units import format_duration


def short_of_history(groups: Iterable[RuleGroup], retention: timedelta) -> list[str]:
    """Return a warning for each rule that reads samples older than `retention`, with its place."""
    return [
        f"{rule.file}:{rule.line}: rule {rule.name} looks back {format_duration(needed)},"
        f" and samples are kept for {format_duration(retention)} (key retention)"
        for group in groups
        for rule in group.rules
        if (needed := reach(rule.expr) + group.query_offset) > retention
    ]
