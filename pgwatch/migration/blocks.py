"""The SQL inside DO blocks, and under which condition it runs. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pgwatch.migration.parse import parse_plpgsql

# Statements that change rows or nothing, so that it does not matter that the rest is put together later.
_ROWS = re.compile(
    r"\s*(insert|update|delete|select|analyze|vacuum|notify|raise|lock)\b", re.IGNORECASE
)
_FIRST_LITERAL = re.compile(
    r"\s*(?:format\s*\(\s*)?'((?:[^']|'')*)'(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_DOLLARS = re.compile(r"\s*(\$\w*\$)(?P<literal>.*)\1\s*", re.DOTALL)
_EXISTENCE = re.compile(
    r"\bexists\b|\bto_reg\w+\s*\(|\bis\s+(not\s+)?null\b|\bnot\s+found\b", re.IGNORECASE
)
_ABSENCE = re.compile(r"\bnot\s+exists\b|\bis\s+null\b|\bnot\s+found\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BlockStatement:
    """One statement inside a DO block, read on its own."""

    text: str
    line: int  # of the block's body, from 1
    opaque: str = ""  # why it cannot be known
    condition: str = ""  # something must have been there before, which nobody knows afterwards


def parse_block(text: str) -> list[BlockStatement]:
    """Return the SQL statements of a DO block in PL/pgSQL; raises UnparsableError.

    A statement under an IF counts when the IF asks what is not there yet, since then its target exists
    either way; with its condition, where it asks for something else that is there. Under any other one it
    is opaque, and so is EXECUTE of anything but a literal.
    """
    return [one for tree in parse_plpgsql(text) for one in _walk(tree, "", "")]


def _walk(tree: Any, unknown: str, condition: str) -> Iterator[BlockStatement]:
    """`unknown`: what it depends on, where that says nothing about what exists."""
    if isinstance(tree, list):
        for item in tree:
            yield from _walk(item, unknown, condition)
        return
    if not isinstance(tree, dict):
        return
    for kind, node in tree.items():
        if kind == "PLpgSQL_stmt_execsql":
            yield _static(node, unknown, condition)
        elif kind in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
            yield from _dynamic(node, unknown, condition)
        elif kind == "PLpgSQL_stmt_if":
            yield from _branches(node, unknown, condition)
        elif kind == "exceptions":
            continue  # what is done after a failure is not what the migration declares
        elif isinstance(node, dict | list):
            yield from _walk(node, unknown, condition)


def _branches(node: dict[str, Any], unknown: str, condition: str) -> Iterator[BlockStatement]:
    asked = _query(node.get("cond", {}))
    told = bool(_EXISTENCE.search(asked))
    there = asked if told and not _ABSENCE.search(asked) else ""
    then = unknown or ("" if told else asked)
    yield from _walk(node.get("then_body", []), then, condition or there)
    # Where it exists already, the other branches are those that do not have to have run.
    for branch in (node.get("elsif_list", []), node.get("else_body", [])):
        yield from _walk(branch, unknown or asked, condition)


def _static(node: dict[str, Any], unknown: str, condition: str) -> BlockStatement:
    text = _query(node.get("sqlstmt", {}))
    opaque = ""
    if unknown and not _ROWS.match(text):
        opaque = f"it runs only if {_shown(unknown)}"
    return BlockStatement(text, node.get("lineno", 1), opaque, _shown(condition))


def _shown(condition: str) -> str:
    return " ".join(condition.split())


def _dynamic(node: dict[str, Any], unknown: str, condition: str) -> Iterator[BlockStatement]:
    text = _query(node.get("query", {}))
    match = _FIRST_LITERAL.match(text)
    line = node.get("lineno", 1)
    whole = _DOLLARS.fullmatch(text)
    if whole is not None or (match is not None and not match["rest"].strip()):
        literal = whole["literal"] if whole else match[1].replace("''", "'") if match else ""
        static = {"sqlstmt": {"PLpgSQL_expr": {"query": literal}}, "lineno": line}
        yield _static(static, unknown, condition)
    elif match is None or not _ROWS.match(match[1]):
        yield BlockStatement(f"EXECUTE {text}", line, "EXECUTE puts it together when it runs")
    yield from _walk(node.get("body", []), unknown, condition)


def _query(holder: dict[str, Any]) -> str:
    query: str = holder.get("PLpgSQL_expr", {}).get("query", "")
    return query
