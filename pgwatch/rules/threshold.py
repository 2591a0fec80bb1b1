"""Another threshold for a rule, without a copy of the rule.

A rule's threshold is the number that its expression compares with (`>`, `>=`, `<` or `<=`). Where it
compares with several, the comment `# threshold` at the end of a line marks the one on that line. Only that
number is replaced, so the rule stays what it says in every other respect.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches

from pgwatch.errors import Problem
from pgwatch.promql.ast import (
    BinaryExpr,
    NumberLiteral,
    VectorSelector,
    format_number,
    unwrapped,
    walk,
)
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.rules.rule import Rule, RuleGroup
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.units import parse_duration, parse_size
from pgwatch.yamlfile import Path, dotted

_MARK = re.compile(r"[^\n#]*#\s*threshold\b")


Place = Callable[[Path, str], Problem]  # (path in the settings, message) → the problem there


def in_configuration(path: Path, message: str) -> Problem:
    """Return a problem of settings of which no file is known."""
    return Problem(file="configuration", path=dotted(path), message=message)


def set_thresholds(
    groups: Sequence[RuleGroup], wanted: Mapping[str, str], *, place: Place = in_configuration
) -> tuple[tuple[RuleGroup, ...], list[Problem]]:
    """Return `groups` with the thresholds `wanted`, and what is wrong with those that could not be set.

    A key is a rule's name, or selects rules by labels too (`PostgresSlowQuery{severity="critical"}`). A value
    is a duration (seconds), a percentage (a share of 1), a size (bytes) or a plain number. `place` makes a
    problem at a path of the settings.
    """
    problems: list[Problem] = []
    for key, quantity in wanted.items():
        try:
            chosen = _chosen(groups, key)
            changed = {rule.id: with_threshold(rule, quantity) for rule in chosen}
        except ValueError as error:
            problems.append(place(("rules", "set", key), str(error)))
            continue
        groups = [
            replace(group, rules=tuple(changed.get(rule.id, rule) for rule in group.rules))
            for group in groups
        ]
    return tuple(groups), problems


def with_threshold(rule: Rule, quantity: str) -> Rule:
    """Return `rule` with its threshold replaced by `quantity`; raises ValueError."""
    literal = threshold(rule)
    number = read_quantity(quantity, instead_of=literal.value)
    start, end = literal.span
    query = rule.query[:start] + format_number(number) + rule.query[end:]
    return replace(rule, query=query, expr=parse(query))


def threshold(rule: Rule) -> NumberLiteral:
    """Return the number that is the threshold of `rule`; raises ValueError if it is not clear which."""
    candidates = list(_candidates(rule))
    if len(candidates) > 1:
        marked = [one for one in candidates if _MARK.match(rule.query, one.span[1])]
        if len(marked) != 1:
            numbers = ", ".join(format_number(one.value) for one in candidates)
            raise ValueError(
                f"{rule.name} compares with {len(candidates)} numbers ({numbers}); in the rule, mark the one"
                ' that may be set with the comment "# threshold" at the end of its line'
            )
        candidates = marked
    if not candidates:
        raise ValueError(
            f"{rule.name} has no threshold: it compares (>, >=, <, <=) with no number;"
            " copy the rule to change it"
        )
    return candidates[0]


def read_quantity(text: str, *, instead_of: float) -> float:
    """Return the number that `text` writes; raises ValueError, also where a share of 1 cannot be meant."""
    written = text.strip()
    if written.endswith("%"):
        share = _plain(written.removesuffix("%").strip())
        if share is not None:
            if abs(instead_of) > 1:
                raise ValueError(
                    f"{text!r} is a share of 1, and the rule compares with {format_number(instead_of)};"
                    " write a plain number of what it measures"
                )
            return share / 100
    number = _plain(written)
    if number is not None:
        return number
    with suppress(ValueError):
        return parse_duration(written).total_seconds()
    with suppress(ValueError):
        return float(parse_size(written))
    raise ValueError(f"{text!r} is no threshold; write it like 500ms, 85%, 10GiB or 1000")


def _plain(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _candidates(rule: Rule) -> Iterator[NumberLiteral]:
    for node in walk(rule.expr):
        if isinstance(node, BinaryExpr) and node.op in (">", ">=", "<", "<="):
            for side in (node.lhs, node.rhs):
                literal = unwrapped(side)
                if isinstance(literal, NumberLiteral):
                    yield literal


def _chosen(groups: Sequence[RuleGroup], key: str) -> list[Rule]:
    """Return the rules that `key` selects; raises ValueError unless they have one threshold in common."""
    try:
        selector = parse(key)
    except PromqlError as error:
        raise ValueError(f"{key!r} is no name of a rule: {error}") from None
    if not isinstance(selector, VectorSelector):
        raise ValueError(f"{key!r} is no name of a rule")  # noqa: TRY004
    rules = [rule for group in groups for rule in group.rules]
    found = [
        rule
        for rule in rules
        if all(
            matcher.matches(Labels({**rule.labels, METRIC_NAME: rule.name}))
            for matcher in selector.matchers
        )
    ]
    if not found:
        close = get_close_matches(selector.name, {rule.name for rule in rules}, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"there is no rule {key}{hint}")
    if len(found) == 1:
        return found
    with_one = [rule for rule in found if any(_candidates(rule))]
    if len({threshold(rule).value for rule in with_one}) > 1:
        raise ValueError(
            f"{len(with_one)} rules are called {selector.name}, with different thresholds;"
            f' choose by a label, such as {selector.name}{{severity="critical"}}'
        )
    return with_one or found
