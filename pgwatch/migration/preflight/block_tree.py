"""What a tree of PL/pgSQL says: its queries, the statements in branches, what a handler catches. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pgwatch.migration.preflight.conditions import SQLSTATES

_ERROR = 21  # elog.h
Tree = dict[str, Any]


def query_of(holder: Mapping[str, Any]) -> str:
    """Return the SQL of an expression, "" where there is none."""
    query: str = holder.get("PLpgSQL_expr", {}).get("query", "")
    return query


def assignment_of(node: Tree) -> tuple[str, str]:
    """Return the name of the variable that a statement assigns to, and the expression."""
    text = query_of(node["expr"])
    target, _, expression = text.partition(":=")
    if not expression:
        target, _, expression = text.partition("=")
    return target.strip().lower(), expression.strip()


def below(trees: Iterable[Tree]) -> Iterator[tuple[str, Tree]]:
    """Return all statements, also those in branches."""
    for tree in trees:
        for kind, node in tree.items():
            if kind.startswith("PLpgSQL_stmt_"):
                yield kind, node
            if isinstance(node, dict):
                yield from below(one for one in node.values() if isinstance(one, dict))
                lists = [one for one in node.values() if isinstance(one, list)]
                yield from below(one for many in lists for one in many if isinstance(one, dict))


def only_counts(trees: Iterable[Tree]) -> bool:
    """Return whether statements change nothing but variables, and raise no error of their own."""
    return all(
        kind in ("PLpgSQL_stmt_assign", "PLpgSQL_stmt_if")
        or (kind == "PLpgSQL_stmt_raise" and not raises(node))
        for kind, node in below(trees)
    )


def raises(node: Tree) -> bool:
    """Return whether a RAISE is an error, as against a message."""
    return bool(node.get("elog_level", _ERROR) >= _ERROR)


def raised_state(node: Tree) -> str:
    """Return the SQLSTATE of a RAISE that is an error."""
    state = "P0001"
    if node.get("condname"):
        name = str(node["condname"])
        state = SQLSTATES.get(name.lower(), name)
    for item in node.get("options", []):
        option = item.get("PLpgSQL_raise_option", {})
        if option.get("opt_type", 0) == 0:
            text = query_of(option.get("expr", {})).strip("'")
            state = SQLSTATES.get(text.lower(), text)
    return state


def catches(conditions: Sequence[Tree], sqlstate: str) -> bool:
    """Return whether a handler with these conditions catches an error."""
    for item in conditions:
        name = item["PLpgSQL_condition"].get("condname", "").lower()
        if name == "others" and sqlstate not in ("57014", "P0004"):
            return True
        state = SQLSTATES.get(name, name.upper())
        if state == sqlstate or (state.endswith("000") and state[:2] == sqlstate[:2]):
            return True
    return False
