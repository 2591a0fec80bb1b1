"""The seam over the SQL grammar: PostgreSQL's own, through libpg_query (postgast)."""

import gc
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

from google.protobuf.message import DecodeError
from postgast import pg_query_pb2
from postgast.deparse import deparse
from postgast.errors import PgQueryError, check_error
from postgast.native import lib
from postgast.parse import parse
from postgast.scan import scan

from pgwatch.errors import PgwatchError

pb = pg_query_pb2  # its enumerations, for those who read the trees
GRAMMAR = f"postgast {version('postgast')}"  # fingerprints may differ in another version of it
Node = Any  # a message of libpg_query's protobuf: which one is decided by WhichOneof at run time


@contextmanager
def without_collector() -> Iterator[None]:
    """Leave out the search for cycles: there are none among some ten thousand trees that come and go."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class UnparsableError(PgwatchError):
    """PostgreSQL's grammar does not know the text, or the library cannot hold its tree."""


def parse_statements(text: str) -> list[tuple[str, Node]]:
    """Return the statements of `text` as (name of the node, node); raises UnparsableError."""
    return [_opened(raw.stmt) for raw in _parsed(text).stmts]


def _parsed(text: str) -> Node:
    try:
        return parse(text)
    except PgQueryError as error:
        raise UnparsableError(str(error).strip()) from None
    except (DecodeError, UnicodeEncodeError, RecursionError):
        raise UnparsableError("the statement is nested too deeply to be read") from None


def opened(node: Node) -> tuple[str, Node]:
    """Return which kind of node `node` holds, "" for none, and that node."""
    return _opened(node)


def _opened(node: Node) -> tuple[str, Node]:
    kind = node.WhichOneof("node")
    return (kind, getattr(node, kind)) if kind else ("", node)


def strings(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the texts of a list of String nodes, as names are."""
    return tuple(node.string.sval for node in nodes)


def expression_text(node: Node) -> str:
    """Return an expression as SQL, in the library's uniform spelling."""
    select = pb.SelectStmt(op="SETOP_NONE", limit_option="LIMIT_OPTION_DEFAULT")
    select.target_list.add().res_target.val.CopyFrom(node)
    return _deparsed(pb.Node(select_stmt=select)).removeprefix("SELECT ")


def query_text(node: Node) -> str:
    """Return a query as SQL, in the library's uniform spelling."""
    return _deparsed(node)


def _deparsed(node: Node) -> str:
    result = pb.ParseResult(version=1)
    result.stmts.add().stmt.CopyFrom(node)
    try:
        text: str = deparse(result)
        return text  # noqa: TRY300 - typed here, as the library's stubs cannot be read
    except PgQueryError as error:
        raise UnparsableError(str(error)) from None


def parse_expression(text: str) -> Node:
    """Return the tree of one expression; raises UnparsableError."""
    [(_, select)] = parse_statements(f"SELECT {text}")
    return select.target_list[0].res_target.val


def parse_type(text: str) -> Node:
    """Return the tree of a type's name; raises UnparsableError."""
    _, cast = opened(parse_expression(f"NULL::{text}"))
    return cast.type_name


_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_IDENTIFIERS = (pb.NO_KEYWORD, pb.UNRESERVED_KEYWORD)  # words that name anything without quotes


@cache
def identifier(name: str) -> str:
    """Return a name as SQL needs it written, quoted only where that is necessary."""
    if _PLAIN.fullmatch(name) and scan(name).tokens[0].keyword_kind in _IDENTIFIERS:
        return name
    return '"' + name.replace('"', '""') + '"'


def token_places(text: str) -> list[tuple[int, int]]:
    """Return from which byte to which the tokens of `text` go; raises UnparsableError."""
    try:
        return [(one.start, one.end) for one in scan(text).tokens]
    except PgQueryError as error:
        raise UnparsableError(str(error).strip()) from None


def renamed_column(sql: str, old: str, new: str) -> str:
    """Return an expression in which the column `old` is called `new`; literals stay as they are."""
    text = sql.encode()
    tokens = token_places(sql)
    words = [text[start:end].decode() for start, end in tokens]
    meant = {old, '"' + old.replace('"', '""') + '"'}
    for index in range(len(words) - 1, -1, -1):
        follows = words[index + 1] if index + 1 < len(words) else ""
        if words[index] in meant and follows != "(" and (not index or words[index - 1] != "::"):
            start, end = tokens[index]
            text = text[:start] + identifier(new).encode() + text[end:]
    return text.decode()


def type_text(name: Node, *, modifiers: bool = True) -> str:
    """Return a type's name as PostgreSQL's grammar understands it: `int` and `integer` are int4.

    Schemas `pg_catalog` and `public` are left out; `modifiers=False` leaves out lengths, too.
    """
    names = strings(name.names)
    if names == ("pg_catalog", "interval") and modifiers and name.typmods:
        return _interval_text(name)
    # What the grammar itself puts into pg_catalog has a keyword for a name: it needs no quotes.
    spelled = names[0] == "pg_catalog" and names[-1] != "char"
    parts = [part for part in names if part not in ("pg_catalog", "public")]
    text = ".".join(part if spelled else identifier(part) for part in parts)
    if name.setof:
        text = f"SETOF {text}"
    if name.pct_type:
        text += "%TYPE"
    if modifiers and name.typmods:
        text += f"({','.join(expression_text(modifier) for modifier in name.typmods)})"
    return text + "[]" * bool(name.array_bounds)


def _interval_text(name: Node) -> str:
    """Return an interval with its fields, which the tree holds as a mask: `interval day to second(3)`."""
    cast = pb.Node()
    cast.type_cast.type_name.CopyFrom(name)
    cast.type_cast.arg.a_const.isnull = True
    return expression_text(cast).removeprefix("NULL::")


_NO_DATUM = re.compile(r"\{\}\}(?=[,\]])")


def parse_plpgsql(text: str) -> list[dict[str, Any]]:
    """Return the tree of each PL/pgSQL body in a CREATE FUNCTION or DO; raises UnparsableError.

    The names in it are those of PostgreSQL's plpgsql.h. Variables are `datums`, and what refers to the
    first of them (a trigger's NEW) has no number.
    """
    result = lib.pg_query_parse_plpgsql(text.encode())
    try:
        check_error(result)
        native = result.plpgsql_funcs.decode()
    except PgQueryError as error:
        raise UnparsableError(str(error).strip()) from None
    finally:
        lib.pg_query_free_plpgsql_parse_result(result)
    # libpg_query 18 closes one brace too many for the variables of triggers.
    head, action, tail = native.partition('"action"')
    try:
        trees: list[dict[str, Any]] = json.loads(_NO_DATUM.sub("{}", head) + action + tail)
    except ValueError as error:
        raise UnparsableError("the block's tree cannot be read") from error
    return [tree.get("PLpgSQL_function", {}) for tree in trees]


def statement_texts(text: str) -> list[str]:
    """Return the statements of `text`, each as it is written; raises UnparsableError."""
    whole = text.encode()
    ends = [(raw.stmt_location, raw.stmt_len or len(whole)) for raw in _parsed(text).stmts]
    return [whole[start : start + length].decode().strip() for start, length in ends]


def fingerprint(text: str) -> str:
    """Return a digest of what `text` says, whatever its constants and spelling; raises UnparsableError.

    Stable across servers' versions; not across `GRAMMAR`.
    """
    result = lib.pg_query_fingerprint(text.encode("utf-8", "replace"))
    return _freed(result, "fingerprint_str", lib.pg_query_free_fingerprint_result)


def normalised(text: str) -> str:
    """Return `text` with each constant replaced by `$n`, also in utility statements.

    Raises UnparsableError.
    """
    result = lib.pg_query_normalize(text.encode("utf-8", "replace"))
    return _freed(result, "normalized_query", lib.pg_query_free_normalize_result)


def _freed(result: Any, name: str, free: Callable[[Any], object]) -> str:
    """Return the text `name` of what the library answered, which is freed; raises UnparsableError."""
    try:
        check_error(result)
    except PgQueryError as error:
        raise UnparsableError(str(error).strip()) from None
    else:
        text: str = getattr(result, name).decode()
        return text
    finally:
        free(result)


_WORD = re.compile(r"[A-Za-z_][\w$]*")


def words_of(text: str) -> set[str]:
    """Return the words of a statement in lower case: every name in it that is no quoted capital."""
    return {word.lower() for word in _WORD.findall(text) if len(word) < 64}
