"""`absent` and `absent_over_time`: one series where there is none."""

import numpy as np

from pgwatch.promql import ast
from pgwatch.promql.vector import Vector
from pgwatch.samples.labels import METRIC_NAME, Labels, MatchType
from pgwatch.samples.table import LabelTable


def absent(argument: ast.Expr, found: Vector) -> Vector:
    """Return 1 at each step at which `found` has no element, with the labels that `argument` asks for."""
    missing = ~found.any_present()[:, None]
    return Vector(LabelTable((labels_asked_for(argument),)), np.ones(missing.shape), missing)


def labels_asked_for(argument: ast.Expr) -> Labels:
    """Return the labels that a selector's `=` matchers name; none for any other expression.

    A label that is matched twice or otherwise is left out, as Prometheus does.
    """
    selector = ast.unwrapped(argument)
    if isinstance(selector, ast.MatrixSelector):
        selector = selector.selector
    if not isinstance(selector, ast.VectorSelector):
        return Labels()
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.type is MatchType.EQUAL and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return Labels(labels)
