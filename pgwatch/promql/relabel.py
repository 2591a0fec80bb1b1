"""`label_replace` and `label_join`: new labels made of old ones."""

import re
from dataclasses import replace

import numpy as np

from pgwatch.promql.errors import PromqlError
from pgwatch.promql.functions import Arguments
from pgwatch.promql.regex import compile_regex
from pgwatch.promql.vector import Value, Vector, relabelled
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.table import LabelTable

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


def label_replace(arguments: Arguments) -> Value:
    """Set label `target` to `template` filled from the match of a pattern with label `source`."""
    vector = arguments.vector(0)
    target, template, source, pattern = (arguments.text(place) for place in range(1, 5))
    try:
        compiled = compile_regex(pattern)
    except PromqlError as error:
        raise PromqlError(
            f"invalid regular expression in label_replace(): {error.message}"
        ) from error
    if not target:
        raise PromqlError(f"invalid destination label name in label_replace(): {target}")

    def replaced(labels: Labels) -> Labels:
        match = compiled.fullmatch(labels.label(source))
        return labels if match is None else labels.merged({target: expand(template, match)})

    key = ("label_replace", target, template, source, pattern)
    table = vector.table.remember(
        key, lambda: LabelTable(replaced(labels) for labels in vector.table.labels)
    )
    return _relabelled(vector, table, target)


def label_join(arguments: Arguments) -> Value:
    """Set label `target` to the values of other labels, with a separator between them."""
    vector = arguments.vector(0)
    target, separator = arguments.text(1), arguments.text(2)
    sources = tuple(arguments.text(place) for place in range(3, len(arguments)))
    for name in sources:
        if not name:
            raise PromqlError(f"invalid source label name in label_join(): {name}")
    if not target:
        raise PromqlError(f"invalid destination label name in label_join(): {target}")

    def made() -> LabelTable:
        return LabelTable(
            labels.merged({target: separator.join(labels.label(name) for name in sources)})
            for labels in vector.table.labels
        )

    table = vector.table.remember(("label_join", target, separator, sources), made)
    return _relabelled(vector, table, target)


def _relabelled(vector: Vector, table: LabelTable, target: str) -> Vector:
    if vector.unnamed is not None and target == METRIC_NAME:  # a name that was given stays
        vector = replace(vector, unnamed=np.zeros(len(table), dtype=np.bool_))
    return relabelled(vector, table)


def expand(template: str, match: re.Match[str]) -> str:
    """Return `template` with `$1`, `${1}`, `$name` and `$$` filled in as Go's `Regexp.Expand` does.

    A group that is not there is empty; a `$` that begins no reference stays.
    """

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdecimal():
            number = int(name)
            return (match[number] or "") if number <= (match.re.groups) else ""
        return match.groupdict().get(name) or ""

    return _REFERENCE.sub(value, template)
