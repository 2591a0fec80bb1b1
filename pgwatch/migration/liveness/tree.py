"""The parts of a PL/pgSQL tree, as the parser gives it, and what a walk through it yields. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pgwatch.migration.liveness.source import Declaration
from pgwatch.migration.liveness.variables import Scope, Variable

ERROR = 21  # elog.h: what RAISE EXCEPTION is
WARNING = 19
CAUGHT = "an exception was caught"  # the condition under which a handler runs
Tree = Mapping[str, Any]


class Answer(IntEnum):
    """What a handler does about what it caught."""

    NOTHING = 0
    SAYS = 1  # it raises a warning, or says so and goes on
    WORKS = 2  # it writes, returns or remembers that something failed


@dataclass(frozen=True, slots=True)
class Handler:
    """An EXCEPTION handler that does not pass on what it catches."""

    conditions: frozenset[str]
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of SQL in a body, where it stands, and who would catch its failure."""

    kind: str  # statement, expression, query (of RETURN QUERY), call, dynamic, target, literal, end
    sql: str
    line: int  # of the body, from 1
    scope: Scope
    conditions: tuple[str, ...] = ()  # under which it is reached, as far as they are not known
    caught: tuple[tuple[Handler, ...], ...] = ()  # those around it that swallow something, by block
    into: bool = False  # its rows go somewhere
    loose: bool = False  # it has parameters whose types are not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A parsed body and its declarations."""

    tree: Tree
    declarations: Sequence[Declaration]
    variables: Mapping[int, Mapping[str, Variable]]  # of each block's DECLARE, by its number
    needs_return: bool


def query_of(holder: Any) -> str:
    """Return the text of a PLpgSQL_expr, "" where there is none."""
    sql: str = (holder or {}).get("PLpgSQL_expr", {}).get("query", "")
    return sql


def split_assignment(text: str) -> tuple[str, str]:
    """Return the target and the expression of `target := expression`."""
    depth, quoted = 0, False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        if quoted:
            continue
        depth += (character in "([") - (character in ")]")
        if not depth and character == "=":
            return text[:index].rstrip(": \t\n"), text[index + 1 :].strip()
    return text, ""


def blocks_in(node: Any) -> int:
    """Return how many blocks stand in a part of the tree."""
    if isinstance(node, Mapping):
        own = "PLpgSQL_stmt_block" in node
        return own + sum(blocks_in(value) for value in node.values())
    return sum(blocks_in(item) for item in node) if isinstance(node, list) else 0


def exits(nodes: Any) -> bool:
    """Return whether an EXIT stands in a part of the tree."""
    if isinstance(nodes, Mapping):
        if nodes.get("PLpgSQL_stmt_exit", {}).get("is_exit"):
            return True
        return any(exits(value) for value in nodes.values())
    return any(exits(item) for item in nodes) if isinstance(nodes, list) else False


def handlers_of(node: Tree) -> list[Tree]:
    """Return the EXCEPTION handlers of a block."""
    block = node.get("exceptions", {}).get("PLpgSQL_exception_block", {})
    return [one["PLpgSQL_exception"] for one in block.get("exc_list", [])]


def swallowed(handlers: Iterable[Tree]) -> Iterator[Handler]:
    """Return the handlers that do not pass on what they catch."""
    for handler in handlers:
        names = (one["PLpgSQL_condition"]["condname"] for one in handler.get("conditions", []))
        action = handler.get("action", [])
        if not _raises(action):
            answers = (_answer(kind, one) for node in action for kind, one in node.items())
            yield Handler(frozenset(names), max(answers, default=Answer.NOTHING))


_IDLE = frozenset({"PLpgSQL_stmt_exit", "PLpgSQL_stmt_getdiag", "PLpgSQL_stmt_return"})
_NO_ANSWER = frozenset({"", "null", "new", "old", "coalesce(new, old)"})


def _answer(kind: str, statement: Tree) -> Answer:
    if kind == "PLpgSQL_stmt_raise":
        level = int(statement.get("elog_level", ERROR))
        return Answer.SAYS if level >= WARNING else Answer.NOTHING
    if kind == "PLpgSQL_stmt_return" and query_of(statement.get("expr")).lower() not in _NO_ANSWER:
        return Answer.WORKS
    return Answer.NOTHING if kind in _IDLE else Answer.WORKS


def _raises(nodes: Sequence[Tree]) -> bool:
    """Return whether a handler does nothing but pass the error on, or raise another one."""
    for node in nodes:
        for kind, statement in node.items():
            if kind == "PLpgSQL_stmt_raise" and statement.get("elog_level", ERROR) >= ERROR:
                return True
            if kind in ("PLpgSQL_stmt_return", "PLpgSQL_stmt_exit"):
                return False
    return False
