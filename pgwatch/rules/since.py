"""Since which Prometheus a rule can be loaded. Pure.

Source: Prometheus's CHANGELOG.md; what every version since 2.0 takes is not listed.
"""

import re
from collections.abc import Iterator

from pgwatch.promql import ast
from pgwatch.rules.rule import AlertingRule, Rule, RuleGroup

Version = tuple[int, int]

_FUNCTIONS: dict[str, Version] = {
    "absent_over_time": (2, 16),
    "clamp": (2, 26),
    "day_of_year": (2, 40),
    "first_over_time": (3, 14),
    "histogram_fraction": (2, 40),
    "last_over_time": (2, 26),
    "present_over_time": (2, 29),
    "sgn": (2, 26),
    **dict.fromkeys(("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh"), (2, 31)),
    **dict.fromkeys(("deg", "pi", "rad", "sin", "sinh", "tan", "tanh"), (2, 31)),
}
_TEMPLATE_FUNCTIONS: dict[str, Version] = {
    "now": (3, 6),
    "parseDuration": (2, 32),
    "stripDomain": (2, 36),
    "toDuration": (3, 6),
    "toTime": (2, 38),
    "urlQueryEscape": (3, 8),
}
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_WORD = re.compile(r"(?<![$.\w])[A-Za-z]\w*")


def read_version(text: str) -> Version:
    """Return the version that `text` writes, such as 2.42 or v3.1.0; raises ValueError."""
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})(?:\..*)?", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no version; write it like 2.42")
    return int(match[1]), int(match[2])


def needs(rule: Rule, group: RuleGroup) -> Iterator[tuple[str, Version]]:
    """Give each construct of `rule` in `group` that some Prometheus does not know, and since when."""
    if group.limit:
        yield "the key limit", (2, 31)
    if group.query_offset:
        yield "the key query_offset", (2, 53)
    if isinstance(rule, AlertingRule) and rule.keep_firing_for:
        yield "the key keep_firing_for", (2, 42)
    if not ast.is_metric_name(rule.name) and not isinstance(rule, AlertingRule):
        yield f"the name {rule.name!r}", (3, 0)
    for node in ast.walk(rule.expr):
        yield from _of_node(node, rule.query)
    if isinstance(rule, AlertingRule):
        yield from _of_templates([*rule.labels.values(), *rule.annotations.values()])


def _of_node(node: ast.Expr, text: str) -> Iterator[tuple[str, Version]]:
    written = text[slice(*node.span)]
    match node:
        case ast.Call() if node.func in _FUNCTIONS:
            yield f"{node.func}()", _FUNCTIONS[node.func]
        case ast.AggregateExpr() if node.op == "group":
            yield "group()", (2, 20)
        case ast.BinaryExpr() if node.op == "atan2":
            yield "atan2", (2, 31)
        case ast.NumberLiteral() if re.search(r"\d(?:ms|[smhdwy])$", written):
            yield f"the duration {written} as a number", (2, 54)
        case ast.VectorSelector():
            if node.name and not ast.is_metric_name(node.name):
                yield f"the quoted name {node.name!r}", (3, 0)
            if node.at is not None:
                yield "@", (2, 33)
            if node.offset_ms < 0:
                yield "a negative offset", (2, 33)
        case ast.SubqueryExpr() if node.at is not None:
            yield "@", (2, 33)


def _of_templates(texts: list[str]) -> Iterator[tuple[str, Version]]:
    for text in texts:
        for action in _ACTION.findall(text):
            for word in _WORD.findall(_STRING.sub("", action)):
                if word in _TEMPLATE_FUNCTIONS:
                    yield f"the template function {word}", _TEMPLATE_FUNCTIONS[word]
