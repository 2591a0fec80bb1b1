"""A plan reduced to its shape: what can be compared from one day to another. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

_DETAILS = ("Join Type", "Strategy", "Operation")
_PLAIN = frozenset({"Inner", "Plain", "Sorted", "Select"})


def shape(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the nodes of an EXPLAIN (FORMAT JSON) `Plan`, a line each, indented by depth.

    Node types, relations and indexes only: costs, row counts and conditions change with the data.
    """
    return tuple(_lines(plan, 0))


def _lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    words = [str(node.get("Node Type", "?"))]
    words += [str(node[key]) for key in _DETAILS if key in node and node[key] not in _PLAIN]
    if "Index Name" in node:
        words.append(f"using {node['Index Name']}")
    if "Relation Name" in node:
        words.append(f"on {node['Relation Name']}")
    elif "Function Name" in node:
        words.append(f"on {node['Function Name']}")
    elif "CTE Name" in node:
        words.append(f"on {node['CTE Name']}")
    yield "  " * depth + " ".join(words)
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)
