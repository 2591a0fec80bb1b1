"""Which labels the elements of an expression have, as far as can be known without data. Pure.

The metric's name is left out: no operator matches by it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgwatch.promql import ast
from pgwatch.promql.signature import ValueType
from pgwatch.rules.knowledge import SCRAPED, Knowledge, MetricFacts
from pgwatch.samples.labels import METRIC_NAME, Matcher, MatchType

_NONE = frozenset[str]()
_SETS = ("and", "or", "unless")


@dataclass(frozen=True, slots=True)
class LabelSets:
    """The labels that each element surely has, may have, and surely lacks."""

    always: frozenset[str] = _NONE
    may: frozenset[str] | None = None  # all that an element may have; None: any but `lacks`
    lacks: frozenset[str] = _NONE

    def could_have(self, label: str) -> bool:
        """Return whether some element may have `label`."""
        return label not in self.lacks if self.may is None else label in self.may

    def with_label(self, label: str, *, surely: bool) -> "LabelSets":
        """Return the sets with `label` added."""
        return LabelSets(
            self.always | {label} if surely else self.always - {label},
            None if self.may is None else self.may | {label},
            self.lacks - {label},
        )

    def without(self, labels: Iterable[str]) -> "LabelSets":
        """Return the sets with `labels` taken away."""
        gone = frozenset(labels)
        may = None if self.may is None else self.may - gone
        return LabelSets(self.always - gone, may, self.lacks | gone)

    def only(self, labels: Iterable[str]) -> "LabelSets":
        """Return the sets with nothing but `labels`."""
        kept = frozenset(label for label in labels if self.could_have(label))
        return LabelSets(self.always & kept, kept)

    def _joined(
        self, other: "LabelSets", always: frozenset[str], either: Callable[[bool, bool], bool]
    ) -> "LabelSets":
        """Return sets that may have a label if `either` says so of whether the two may."""
        named = self.lacks | other.lacks | (self.may or _NONE) | (other.may or _NONE)
        could = {x for x in named if either(self.could_have(x), other.could_have(x))}
        if either(self.may is None, other.may is None):
            return LabelSets(always, None, named - could)
        return LabelSets(always, frozenset(could))

    def same_as(self, other: "LabelSets") -> "LabelSets":
        """Return what is known of elements of both that have the same labels."""
        return self._joined(other, self.always | other.always, lambda one, two: one and two)

    def or_else(self, other: "LabelSets") -> "LabelSets":
        """Return what is known of elements of either."""
        return self._joined(other, self.always & other.always, lambda one, two: one or two)


def never_meet(node: ast.BinaryExpr, left: LabelSets, right: LabelSets) -> str:
    """Return a label for whose sake no element of `left` ever meets one of `right`, "" if some may."""
    matching = node.matching
    if matching is None or node.op == "or":
        return ""
    compared = left.always | right.always
    compared = (
        compared & frozenset(matching.labels)
        if matching.on
        else compared - frozenset(matching.labels)
    )
    for label in sorted(compared - {METRIC_NAME}):
        if not (left.could_have(label) and right.could_have(label)):
            return label
    return ""


class LabelReader:
    """Tells the label sets of expressions by what is known of metrics."""

    def __init__(self, knowledge: Knowledge, recorded: Iterable[str] = ()) -> None:
        """Go by `knowledge`; of the series that rules write, whose names are `recorded`, nothing is known."""
        self._knowledge = knowledge
        self._recorded = frozenset(recorded)
        self._universe = knowledge.labels

    def of(self, expr: ast.Expr) -> LabelSets:  # noqa: PLR0911 - one for each kind of node
        """Return the label sets of a vector; of a scalar, those of an element without labels."""
        match expr:
            case ast.VectorSelector():
                return self._selected(expr)
            case ast.MatrixSelector():
                return self._selected(expr.selector)
            case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
                return self.of(expr.expr)
            case ast.AggregateExpr():
                return self._aggregated(expr)
            case ast.Call():
                return self._called(expr)
            case ast.BinaryExpr():
                return self._combined(expr)
            case _:
                return LabelSets(may=_NONE)

    def _selected(self, selector: ast.VectorSelector) -> LabelSets:
        facts = self._knowledge.of(selector.name)
        sets = self._known(facts)
        if selector.name in self._recorded or not selector.name or ":" in selector.name:
            sets = LabelSets()
        for matcher in selector.matchers:
            if matcher.name == METRIC_NAME:
                continue
            if not _takes_empty(matcher):
                sets = sets.with_label(matcher.name, surely=True)
            elif matcher.type is MatchType.EQUAL:
                sets = sets.without([matcher.name])
        return sets

    def _known(self, facts: MetricFacts | None) -> LabelSets:
        if facts is None or facts.labels is None:
            return LabelSets(SCRAPED)
        # A target may have labels of its own, but none that only other metrics have.
        return LabelSets(facts.always | SCRAPED, None, self._universe - facts.labels - SCRAPED)

    def _aggregated(self, expr: ast.AggregateExpr) -> LabelSets:
        inner = self.of(expr.expr)
        if expr.op in ("topk", "bottomk"):
            return inner
        sets = inner.without(expr.grouping) if expr.without else inner.only(expr.grouping)
        if expr.op == "count_values" and isinstance(expr.param, ast.StringLiteral):
            sets = sets.with_label(expr.param.value, surely=True)
        return sets

    def _called(self, call: ast.Call) -> LabelSets:
        if call.func in ("vector", "scalar"):
            return LabelSets(may=_NONE)
        vectors = [
            arg for arg in call.args if ast.type_of(arg) in (ValueType.VECTOR, ValueType.MATRIX)
        ]
        if not vectors:
            return LabelSets(may=_NONE)
        inner = self.of(vectors[-1])
        if call.func in ("absent", "absent_over_time"):
            matchers = [m for s in ast.selectors(vectors[-1]) for m in s.matchers]
            named = {m.name for m in matchers if m.type is MatchType.EQUAL} - {METRIC_NAME}
            return LabelSets(may=frozenset(named))
        if call.func.startswith("histogram_"):
            return inner.without(["le"])
        if call.func in ("label_replace", "label_join") and isinstance(
            call.args[1], ast.StringLiteral
        ):
            return inner.with_label(call.args[1].value, surely=False)
        return inner

    def _combined(self, node: ast.BinaryExpr) -> LabelSets:
        if node.matching is None:
            vector = node.lhs if ast.type_of(node.lhs) is ValueType.VECTOR else node.rhs
            return self.of(vector)
        left, right = self.of(node.lhs), self.of(node.rhs)
        if node.op in _SETS:
            return left.or_else(right) if node.op == "or" else left
        matching = node.matching
        if matching.card is ast.Card.ONE_TO_ONE:
            same = left.same_as(right)
            return same.only(matching.labels) if matching.on else same.without(matching.labels)
        many, one = (left, right) if matching.card is ast.Card.MANY_TO_ONE else (right, left)
        for label in matching.include:
            if one.could_have(label):
                many = many.with_label(label, surely=label in one.always)
            else:
                many = many.without([label])
        return many


def _takes_empty(matcher: Matcher) -> bool:
    return matcher.predicate()("")
