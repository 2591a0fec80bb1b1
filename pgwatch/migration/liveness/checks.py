"""A piece of a body → what the server is asked about it, and what its answer means. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgwatch.migration.extract import walk
from pgwatch.migration.liveness.body import type_expression
from pgwatch.migration.liveness.tree import CAUGHT, Answer, Handler, Piece
from pgwatch.migration.liveness.variables import Substituted, substitute
from pgwatch.migration.parse import Node, UnparsableError, parse_statements, pb, strings
from pgwatch.targets.describe import Described

_ANALYSED = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
_NEVER_INSIDE = re.compile(
    r"^\s*(?:format\s*\(\s*)?'\s*(vacuum\b|create\s+(?:unique\s+)?index\s+concurrently\b"
    r"|drop\s+index\s+concurrently\b|create\s+database\b|drop\s+database\b|alter\s+system\b)",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"^\s*'((?:[^']|'')*)'\s*$")
_NOT_ALLOWED = "25001"
_UNTOLD = frozenset({"42501", "55P03", "57014"})
_ARTEFACTS = frozenset({"42P18", "42P02"})  # of a parameter whose type only its use decides
_NAMES = frozenset({"42P01", "42703", "42704", "3F000"})  # what holds whatever the types are
_VALUES = frozenset({"22P02", "22007", "22008"})  # a literal that its type does not have
# What no handler is written for: a column, an enum's value, a type that does not fit, a double meaning.
_NEVER_MEANT = frozenset({"42703", "22P02", "42804", "42702"})
_CLASSES = {  # condition names of plpgsql for what analysing may raise
    "undefined_table": "42P01",
    "undefined_column": "42703",
    "undefined_function": "42883",
    "undefined_object": "42704",
    "ambiguous_column": "42702",
    "ambiguous_function": "42725",
    "datatype_mismatch": "42804",
    "grouping_error": "42803",
    "wrong_object_type": "42809",
    "cannot_coerce": "42846",
    "syntax_error": "42601",
    "invalid_schema_name": "3F000",
    "invalid_text_representation": "22P02",
    "invalid_datetime_format": "22007",
    "datetime_field_overflow": "22008",
    "active_sql_transaction": "25001",
    "syntax_error_or_access_rule_violation": "42000",
    "data_exception": "22000",
    "invalid_transaction_state": "25000",
    "function_executed_no_return_statement": "2F005",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What the server raises when the piece is run."""

    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is asked about one piece; or, without asking, how it fails."""

    piece: Piece
    sql: str = ""
    substituted: Substituted | None = None
    failure: Failure | None = None
    only: frozenset[str] = frozenset()  # SQLSTATEs that count; empty: whatever is sure
    relations: tuple[str, ...] = ()  # that a command names, or a statement without its CTEs
    callees: frozenset[str] = frozenset()

    @property
    def loose(self) -> bool:
        """Whether types in it are not known."""
        return self.piece.loose or (self.substituted is not None and self.substituted.loose)


def checks_of(piece: Piece) -> Iterator[Check]:
    """Return what to ask; raises UnparsableError."""
    if piece.kind == "end":
        message = "control reached end of function without RETURN"
        yield Check(piece=piece, failure=Failure("2F005", message))
    elif piece.kind == "type":
        sql = type_expression(piece.sql)
        if sql:
            yield Check(piece=piece, sql=f"SELECT {sql}")
    elif piece.kind == "dynamic":
        yield from _dynamic(piece)
    elif piece.kind == "target":
        yield from _target(piece)
    elif piece.kind == "literal":
        yield from _literal(piece)
    elif piece.kind == "call":
        yield from _asked(piece, re.sub(r"^\s*call\b", "SELECT", piece.sql, flags=re.IGNORECASE))
    elif piece.kind == "expression":
        yield from _asked(piece, f"SELECT {piece.sql}")
    else:
        yield from _statement(piece)


def _asked(piece: Piece, sql: str, only: frozenset[str] = frozenset()) -> Iterator[Check]:
    substituted = substitute(sql, piece.scope)
    [(_, node)] = parse_statements(sql)
    if substituted.missing:
        record, field = substituted.missing[0]
        failure = Failure("42703", f'record "{record}" has no field "{field}"')
        yield Check(piece=piece, substituted=substituted, failure=failure)
        return
    if substituted.clash and not only:
        failure = Failure("42702", f'column reference "{substituted.clash}" is ambiguous')
        yield Check(piece=piece, substituted=substituted, failure=failure)
        return
    yield Check(
        piece=piece,
        sql=substituted.sql,
        substituted=substituted,
        only=only,
        relations=tuple(sorted(substituted.relations - _with_names(node))),
        callees=frozenset(_called(node)),
    )


def _statement(piece: Piece) -> Iterator[Check]:
    [(kind, node)] = parse_statements(piece.sql)
    if kind in _ANALYSED:
        yield from _asked(piece, piece.sql)
        returns = kind == "select_stmt" or node.HasField("returning_clause")
        if piece.kind == "statement" and returns:
            message = "query has no destination for result data"
            yield Check(piece=piece, failure=Failure("42601", message))
    elif kind == "vacuum_stmt" and node.is_vacuumcmd:
        message = "VACUUM cannot be executed from a function"
        yield Check(piece=piece, failure=Failure(_NOT_ALLOWED, message))
    else:
        for relation in _relations(kind, node):
            name = ".".join(quoted for quoted in relation if quoted)
            yield Check(
                piece=piece,
                sql=f"SELECT FROM {name}",
                only=_NAMES,
                relations=(relation[1],) if not relation[0] else (),
            )


def _relations(kind: str, node: Node) -> list[tuple[str, str]]:
    """Return the relations without which a command fails."""
    if kind == "vacuum_stmt":
        found = [item.vacuum_relation.relation for item in node.rels]
    elif kind in ("truncate_stmt", "lock_stmt"):
        found = [item.range_var for item in node.relations]
    elif kind == "refresh_mat_view_stmt":
        found = [node.relation]
    else:
        found = []
    return [(one.schemaname, one.relname) for one in found if one.relname]


def _dynamic(piece: Piece) -> Iterator[Check]:
    match = _NEVER_INSIDE.match(piece.sql)
    if match is not None:
        message = f"{' '.join(match[1].upper().split())} cannot be executed from a function"
        yield Check(piece=piece, failure=Failure(_NOT_ALLOWED, message))
        return
    literal = _LITERAL.match(piece.sql)
    if literal is None:
        return
    text = literal[1].replace("''", "'")
    try:
        statements = parse_statements(text)
    except UnparsableError:
        return  # a text for format(), or of a grammar that we do not have
    if len(statements) == 1 and statements[0][0] in _ANALYSED:
        relations = {m.relname for m in walk(statements[0][1]) if isinstance(m, pb.RangeVar)}
        names = relations - _with_names(statements[0][1])
        yield Check(piece=piece, sql=text, relations=tuple(sorted(names)), only=_NAMES)


def is_put_together(piece: Piece) -> bool:
    """Return whether a piece is an EXECUTE of what only running shows."""
    return piece.kind == "dynamic" and not _LITERAL.match(piece.sql)


def _target(piece: Piece) -> Iterator[Check]:
    for check in _asked(piece, f"SELECT {piece.sql}"):
        if check.failure is not None or check.sql != f"SELECT {piece.sql}":
            yield check


def _literal(piece: Piece) -> Iterator[Check]:
    target, _, value = piece.sql.partition(" := ")
    if _LITERAL.match(value):
        for check in _asked(piece, f"SELECT {target} = {value}", only=_VALUES):
            if check.failure is None:
                yield check


def _with_names(node: Node) -> set[str]:
    return {m.ctename for m in walk(node) if isinstance(m, pb.CommonTableExpr)}


def _called(node: Node) -> Iterator[str]:
    for message in walk(node):
        if isinstance(message, pb.FuncCall):
            yield strings(message.funcname)[-1]


def is_untold(answer: Described) -> bool:
    """Return whether a refusal says more about us than about the statement."""
    return answer.sqlstate in _UNTOLD or answer.sqlstate[:2] in ("08", "53", "57", "XX")


def failure_of(check: Check, answer: Described) -> Failure | None:
    """Return how the piece fails, if the answer makes that sure."""
    state = answer.sqlstate
    if not state or is_untold(answer) or state in _ARTEFACTS:
        return None
    if check.only:
        sure = state in check.only
    elif check.loose:
        sure = state in _NAMES
    else:
        sure = state[:2] == "42" or state in _VALUES or state in ("3F000", "55000")
    return Failure(state, answer.message) if sure else None


def is_column(answer: Described) -> bool:
    """Return whether a name that was left as it is was found to be a column."""
    return answer.sqlstate not in ("42703", "42P01") and not is_untold(answer)


def is_caught(failure: Failure, piece: Piece) -> bool:
    """Return whether a handler around the piece swallows the failure."""
    return _catcher(failure, piece) is not None


def is_hidden(failure: Failure, piece: Piece) -> bool:
    """Return whether a handler for OTHERS swallows what its author cannot have meant it for.

    That a table or function is not there may be meant, where the handler only says so; that a column
    is not, or an enum has no such value, is not meant where the handler does anything at all.
    """
    handler = _catcher(failure, piece)
    if handler is None or _is_named(failure, handler) or piece.conditions[-1:] == (CAUGHT,):
        return False
    meant = failure.sqlstate not in _NEVER_MEANT
    return handler.answer >= (Answer.WORKS if meant else Answer.SAYS)


def _catcher(failure: Failure, piece: Piece) -> Handler | None:
    if piece.kind == "type":
        return None  # raised before the body begins
    # Outer handlers come first, and those of one block in their order.
    for block in reversed(piece.caught):
        for handler in block:
            if "others" in handler.conditions or _is_named(failure, handler):
                return handler
    return None


def _is_named(failure: Failure, handler: Handler) -> bool:
    states = {failure.sqlstate, failure.sqlstate[:2] + "000"}
    return any(name in states or _CLASSES.get(name) in states for name in handler.conditions)
