"""What makes a rule useless though it loads: it never fires, always fires, or names what is not there. Pure.

A finding is about what can be known without data; a rule without findings may still be a bad one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum

from pgwatch.promql import ast
from pgwatch.promql.signature import ValueType
from pgwatch.rules.bounds import always, bounds, never
from pgwatch.rules.knowledge import SCRAPED, Knowledge
from pgwatch.rules.labelsets import LabelReader, never_meet
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.since import Version, needs
from pgwatch.samples.labels import METRIC_NAME, Matcher
from pgwatch.units import format_duration

_VALUE = re.compile(r"\{\{[^}]*(?:\$value\b|\.Value\b)", re.DOTALL)
_OF_TWO = (
    "rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear", "changes", "resets",
)  # fmt: skip
# functions that say nothing of a single sample
_SHOWN = 80  # characters of an expression in a message


class Defect(StrEnum):
    """What is wrong, as a word that people can search for."""

    NEVER_FIRES = "never-fires"
    ALWAYS_FIRES = "always-fires"
    NEVER_MATCHES = "never-matches"
    UNKNOWN_METRIC = "unknown-metric"
    UNKNOWN_LABEL = "unknown-label"
    VALUE_IN_LABEL = "value-in-label"
    SHORT_FOR = "short-for"
    SHORT_RANGE = "short-range"
    NEEDS_NEWER = "needs-newer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One thing that is wrong with a rule."""

    rule: Rule
    defect: Defect
    message: str


def lint(
    groups: Sequence[RuleGroup], knowledge: Knowledge, *, target: Version | None = None
) -> list[LintFinding]:
    """Return what is wrong with the rules of `groups`, in their order.

    `target` is the oldest Prometheus that has to load them. Nothing is said of metrics of which nothing is
    known, unless others that begin with the same word are.
    """
    recorded: dict[str, timedelta] = {}
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, RecordingRule):
                recorded[rule.name] = min(group.interval, recorded.get(rule.name, group.interval))
    look = _Look(knowledge, LabelReader(knowledge, recorded), recorded)
    found: list[LintFinding] = []
    for group in groups:
        for rule in group.rules:
            told = dict.fromkeys((*look.at(rule, group), *_too_new(rule, group, target)))
            found += [LintFinding(rule=rule, defect=one, message=text) for one, text in told]
    return found


Found = Iterator[tuple[Defect, str]]


@dataclass(frozen=True, slots=True)
class _Look:
    """The look at one rule after another."""

    knowledge: Knowledge
    labels: LabelReader
    recorded: Mapping[str, timedelta]  # the interval of each recorded metric

    def at(self, rule: Rule, group: RuleGroup) -> Found:
        empty: list[
            ast.Expr
        ] = []  # whose sides never match; what is around them is so for their sake
        for node in reversed(list(ast.walk(rule.expr))):
            if isinstance(node, ast.VectorSelector):
                yield from self._selector(node)
            elif isinstance(node, ast.BinaryExpr):
                if not any(inner is one for inner in ast.walk(node) for one in empty):
                    matches = list(self._matching(node, rule.query))
                    empty += [node] if matches else []
                    yield from matches
                yield from self._comparison(node, rule.query)
            elif isinstance(node, ast.Call):
                yield from self._window(node, rule.query)
            yield from self._grouping(node)
        if isinstance(rule, AlertingRule):
            if ast.selectors(rule.expr) and (reason := self._always(rule.expr, rule.query)):
                yield Defect.ALWAYS_FIRES, reason
            yield from _of_alert(rule, group)

    def _selector(self, node: ast.VectorSelector) -> Found:
        name = node.name
        if not name or name in self.recorded:
            return
        if new := self.knowledge.renamed(name):
            yield Defect.NEVER_FIRES, f"there is no metric {name}: it is called {new}"
        elif self.knowledge.misses(name):
            like = self.knowledge.alike(name)
            hint = f"; did you mean {like}?" if like else ""
            yield Defect.UNKNOWN_METRIC, f"no known metric is called {name}{hint}"
        facts = self.knowledge.of(name)
        if facts is None or facts.labels is None:
            return
        for matcher in node.matchers:
            if matcher.name == METRIC_NAME or matcher.name in facts.labels | SCRAPED:
                continue
            if matcher.name in self.knowledge.labels and not _takes_empty(matcher):
                known = ", ".join(sorted(facts.labels)) or "none"
                message = f"{name} has no label {matcher.name} (it has {known}): {matcher} selects nothing"
                yield Defect.UNKNOWN_LABEL, message
            else:
                yield from _misspelled(matcher.name, facts.labels)

    def _window(self, node: ast.Call, text: str) -> Found:
        window = ast.unwrapped(node.args[0]) if node.func in _OF_TWO else None
        if not isinstance(window, ast.MatrixSelector):
            return
        name = window.selector.name
        facts = self.knowledge.of(name)
        interval = self.recorded.get(name, facts.interval if facts else None)
        length = timedelta(milliseconds=window.range_ms)
        if interval is None or length >= interval * 2:
            return
        often = "never" if length <= interval else "at times not"
        yield (
            Defect.SHORT_RANGE,
            f"{_shown(node, text)} has {often} the two samples that {node.func} needs: {name} has a new"
            f" one each {format_duration(interval)}; take a window of {format_duration(interval * 4)}"
            f" ({format_duration(interval * 2)} at least), or observe more often",
        )

    def _grouping(self, node: ast.Expr) -> Found:
        names: tuple[str, ...] = ()
        if isinstance(node, ast.AggregateExpr) and not node.without:
            names = node.grouping
        elif isinstance(node, ast.BinaryExpr) and node.matching is not None and node.matching.on:
            names = node.matching.labels
        declared = [
            facts.labels
            for selector in ast.selectors(node)
            if (facts := self.knowledge.of(selector.name)) and facts.labels is not None
        ]
        if len(declared) == len(ast.selectors(node)) and names:
            known = frozenset[str]().union(*declared)
            for name in names:
                if name not in self.knowledge.labels:
                    yield from _misspelled(name, known)

    def _matching(self, node: ast.BinaryExpr, text: str) -> Found:
        left, right = self.labels.of(node.lhs), self.labels.of(node.rhs)
        if not (label := never_meet(node, left, right)):
            return
        has, lacks = ("left", "right") if left.could_have(label) else ("right", "left")
        cure = "name the labels to match by with on (…)"
        if node.op not in ("and", "unless"):
            cure += ", and group_left or group_right where one side has more"
        effect = "takes nothing away" if node.op == "unless" else "gives nothing"
        yield (
            Defect.NEVER_MATCHES,
            f"{_shown(node, text)} {effect}: the {has} side of {node.op} has the label {label}, the {lacks}"
            f" side never does; {cure}",
        )

    def _comparison(self, node: ast.BinaryExpr, text: str) -> Found:
        if node.op not in ast.COMPARISONS or node.return_bool:
            return
        left, right = bounds(node.lhs, self.knowledge), bounds(node.rhs, self.knowledge)
        if never(node.op, left, right):
            reason = f"the left side {left}"
            if left.of_now or right.of_now or _times(node):
                reason = "a sample is at most 5m old, an older one does not count"
            elif self._rates_an_age(node.lhs):
                reason = "what measures seconds grows by at most 1 a second"
            yield Defect.NEVER_FIRES, f"{_shown(node, text)} is never true: {reason}"

    def _rates_an_age(self, expr: ast.Expr) -> bool:
        return any(
            isinstance(node, ast.Call)
            and node.func in ("rate", "irate", "deriv")
            and self.knowledge.is_age(ast.selectors(node)[0].name)
            for node in ast.walk(expr)
        )

    def _always(self, expr: ast.Expr, text: str) -> str:  # noqa: PLR0911 - one for each reason
        """Return why `expr` gives something all the time, "" if it may give nothing."""
        expr = ast.unwrapped(expr)
        if isinstance(expr, ast.AggregateExpr) and expr.op not in ("topk", "bottomk"):
            return self._always(expr.expr, text)
        if not isinstance(expr, ast.BinaryExpr):
            return ""
        left, right = self._always(expr.lhs, text), self._always(expr.rhs, text)
        if expr.op == "or":
            constant = next((one for one in (expr.lhs, expr.rhs) if _is_constant(one)), None)
            if constant is not None:
                return (
                    f"it falls back to {_shown(constant, text)}, and an alert fires for any value"
                )
            return left or right
        if expr.op == "and":
            return left if right else ""
        if expr.op not in ast.COMPARISONS:
            return ""
        if expr.return_bool:
            return f"{_shown(expr, text)} gives 0 or 1, and an alert fires for either; leave out `bool`"
        first, second = bounds(expr.lhs, self.knowledge), bounds(expr.rhs, self.knowledge)
        # What counts is there only if something is: `count(x) > 0` asks whether any x exists.
        if always(expr.op, first, second) and first.low <= 0:
            return f"{_shown(expr, text)} is always true: the left side {first}"
        return ""


def _of_alert(rule: AlertingRule, group: RuleGroup) -> Found:
    for name, template in rule.labels.items():
        if _VALUE.search(template):
            message = (
                f"the label {name} holds the value, so each change of it is another alert, and `for` begins"
                " anew; put it into an annotation"
            )
            yield Defect.VALUE_IN_LABEL, message
    if rule.hold and rule.hold < group.interval:
        message = (
            f"for: {format_duration(rule.hold)} is shorter than the interval of {group.name},"
            f" {format_duration(group.interval)}: it means {format_duration(group.interval)}"
        )
        yield Defect.SHORT_FOR, message


def _too_new(rule: Rule, group: RuleGroup, target: Version | None) -> Found:
    for what, version in needs(rule, group) if target else ():
        if target and version > target:
            wanted, has = (".".join(map(str, one)) for one in (version, target))
            yield Defect.NEEDS_NEWER, f"{what} needs Prometheus {wanted}, and the target is {has}"


def _misspelled(name: str, known: frozenset[str]) -> Found:
    for like in get_close_matches(name, known, n=1, cutoff=0.8):
        yield Defect.UNKNOWN_LABEL, f"no metric here has a label {name}; did you mean {like}?"


def _takes_empty(matcher: Matcher) -> bool:
    return matcher.predicate()("")


def _times(expr: ast.Expr) -> bool:
    return any(isinstance(node, ast.Call) and node.func == "timestamp" for node in ast.walk(expr))


def _is_constant(expr: ast.Expr) -> bool:
    return ast.type_of(expr) is ValueType.VECTOR and not ast.selectors(expr)


def _shown(node: ast.Expr, text: str) -> str:
    """Return the expression as it is written, on one line and not too long."""
    written = " ".join(text[slice(*node.span)].split())
    return f"`{written}`" if len(written) <= _SHOWN else f"`{written[: _SHOWN - 1]}…`"
