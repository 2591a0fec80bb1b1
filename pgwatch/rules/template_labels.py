"""Labels that templates name and the expression cannot have: the text loads, and has a hole. Pure."""

import re
from collections.abc import Iterable, Iterator

from pgwatch.promql import ast
from pgwatch.promql.signature import ValueType
from pgwatch.rules.knowledge import Knowledge
from pgwatch.rules.labelsets import LabelReader
from pgwatch.rules.rule import AlertingRule, RecordingRule, RuleGroup
from pgwatch.samples.labels import METRIC_NAME

_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LABEL = re.compile(r"(?:\$labels|(?<![\w)])\.Labels)\.([a-zA-Z_][a-zA-Z0-9_]*)")
# Within these `.Labels` is not the alert's; and a label that is asked for may be missing on purpose.
_OTHERWISE = re.compile(r"\{\{-?\s*(?:range|with|if|else|define|template)\b|\bquery\b")


def missing_labels(groups: Iterable[RuleGroup], knowledge: Knowledge) -> list[str]:
    """Return a warning for each template that names such a label, with the place of its rule."""
    groups = list(groups)
    recorded = (
        rule.name for group in groups for rule in group.rules if isinstance(rule, RecordingRule)
    )
    reader = LabelReader(knowledge, recorded)
    return [
        f"{rule.file}:{rule.line}: rule {rule.name} {warning}"
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertingRule)
        for warning in _warnings(rule, reader)
    ]


def _warnings(rule: AlertingRule, reader: LabelReader) -> Iterator[str]:
    sets = reader.of(rule.expr)
    for where, texts in (("label", rule.labels), ("annotation", rule.annotations)):
        for name, text in texts.items():
            for label in dict.fromkeys(_named(text)):
                if label != METRIC_NAME and not sets.could_have(label):
                    yield (
                        f"names {label} in its {where} {name}, and it will be empty: the expression gives no"
                        f" such label; {_cure(rule.expr, label)}"
                    )


def _named(text: str) -> Iterator[str]:
    if _OTHERWISE.search(text):
        return
    for action in _ACTION.findall(text):
        yield from _LABEL.findall(action)


def _cure(expr: ast.Expr, label: str) -> str:
    """Return what to do about a `label` that is not there: where it was lost, keep it."""
    expr = ast.unwrapped(expr)
    cure = "leave it out of the text"
    match expr:
        case ast.AggregateExpr(without=True):
            cure = f"take {label} out of without ({', '.join(expr.grouping)})"
        case ast.AggregateExpr():
            cure = f"keep it with {expr.op} by ({', '.join((*expr.grouping, label))})"
        case ast.BinaryExpr(matching=ast.VectorMatching(card=ast.Card.ONE_TO_ONE, on=True)):
            cure = f"name it in on (…), or keep it with group_left ({label})"
        case ast.BinaryExpr():
            is_vector = ast.type_of(expr.lhs) is ValueType.VECTOR
            cure = _cure(expr.lhs if is_vector else expr.rhs, label)
        case ast.Call(func="absent" | "absent_over_time"):
            cure = "absent gives the labels that its selector names with ="
    return cure
