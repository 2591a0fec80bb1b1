"""What functions of the migrations make when a migration calls them. Pure."""

import re
from collections.abc import Iterator

from pgwatch.migration.blocks import BlockStatement, parse_block
from pgwatch.migration.extract import walk
from pgwatch.migration.objects import Key
from pgwatch.migration.parse import Node, UnparsableError, pb, statement_texts, strings
from pgwatch.migration.state import State

_CHANGES = r"(?:create|alter|drop|grant|revoke|comment\s+on)\b"
_STATIC = re.compile(rf"(?:^|;|\bthen\b|\bbegin\b|\belse\b|\bloop\b)\s*{_CHANGES}", re.IGNORECASE)
_DYNAMIC = re.compile(rf"'\s*{_CHANGES}", re.IGNORECASE)
_TEMPORARY = re.compile(
    r"\s*(?:create\s+(?:(?:global|local)\s+)?temp|drop\s|insert|update|delete|select)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def statements_of_calls(state: State, query: Node) -> Iterator[BlockStatement]:
    """Yield the statements that change objects, of the declared functions that a query calls."""
    for name in dict.fromkeys(
        strings(call.funcname)[-1] for call in walk(query) if isinstance(call, pb.FuncCall)
    ):
        for key in state.functions_named(name):
            yield from _statements(state, key)


def _statements(state: State, key: Key) -> Iterator[BlockStatement]:
    body, language = state.facet(key, "body"), state.facet(key, "language")
    if not isinstance(body, tuple) or state.facet(key, "returns") == "trigger":
        return
    text = _COMMENT.sub(" ", body[0])
    static, dynamic = _STATIC.search(text), _DYNAMIC.search(text)
    if not static and not dynamic:
        return
    try:
        if language == "sql":
            found = [BlockStatement(one, 1) for one in statement_texts(body[0])]
        elif language == "plpgsql":
            found = parse_block(state.objects[key].facets["body"].place.sql)
        else:
            return
    except UnparsableError as error:
        yield BlockStatement("", 1, f"the body of {key.name} cannot be read: {error}")
        return
    for one in found:
        if not one.opaque:
            yield one
    if any(one.opaque and not _TEMPORARY.match(one.text) for one in found):
        yield BlockStatement("", 1, f"what {key.name} makes is known only when it runs")
