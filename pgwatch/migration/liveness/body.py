"""A routine → its parsed body and what its variables are. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from pgwatch.migration.liveness.flow import Walk
from pgwatch.migration.liveness.guards import Known
from pgwatch.migration.liveness.routine import Routine, Trigger
from pgwatch.migration.liveness.source import (
    Declaration,
    declarations,
    tokens,
    variable_conflict,
    with_plain_types,
)
from pgwatch.migration.liveness.tree import Body, Piece
from pgwatch.migration.liveness.variables import Scope, Variable, quoted, typed
from pgwatch.migration.parse import parse_plpgsql, statement_texts

_SPECIAL = {
    "found": "boolean",
    "tg_name": "name",
    "tg_when": "text",
    "tg_level": "text",
    "tg_op": "text",
    "tg_relid": "oid",
    "tg_relname": "name",
    "tg_table_name": "name",
    "tg_table_schema": "name",
    "tg_nargs": "integer",
    "tg_argv": "text[]",
    "tg_event": "text",
    "tg_tag": "text",
}
_OF_TABLE = re.compile(r"^(?P<name>.+?)\s*%\s*(?P<what>ROWTYPE|TYPE)$", re.IGNORECASE | re.DOTALL)
_LAST_PART = re.compile(r'"((?:[^"]|"")*)"\s*$|([\w$]+)\s*$')
_OUT = frozenset({"o", "t"})


def is_composite(type_: str, relations: Collection[str]) -> bool:
    """Return whether a declared type has fields."""
    match = _OF_TABLE.match(type_.strip())
    if match is not None:
        return match["what"].lower() == "rowtype"
    last = _LAST_PART.search(type_.strip())
    name = (last[1] or last[2].lower()) if last else ""
    return name == "record" or name in relations


def parse_body(routine: Routine, relations: Collection[str]) -> Body:
    """Return a PL/pgSQL routine's body; raises UnparsableError."""
    plain = with_plain_types(routine.source, lambda one: is_composite(one, relations))
    tree = parse_plpgsql(_definition(routine, plain))[0]
    declared = declarations(routine.source)
    own = {f"${number}": one for number, one in enumerate(_positional(routine), 1)}
    own |= _parameters(routine)
    by_block: dict[int, dict[str, Variable]] = {}
    for one in declared:
        block = by_block.setdefault(one.block + 1, {})
        variables = {**own, **{n: v for b in by_block.values() for n, v in b.items()}}
        block[one.name] = _variable(one, relations, variables)
    outs = any(argument.mode in ("o", "b", "t") for argument in routine.arguments)
    needs = not (routine.returns in ("void", "event_trigger") or routine.returns_set or outs)
    return Body(tree=tree, declarations=declared, variables=by_block, needs_return=needs)


def _definition(routine: Routine, source: str) -> str:
    arguments = ", ".join(
        f"{_mode(one.mode)} {quoted(one.name) if one.name else ''}"
        f" {'record' if one.type.composite or one.type.record else 'text'}"
        for one in routine.arguments
        if one.mode != "t"
    )
    table = ", ".join(f"{quoted(a.name)} text" for a in routine.arguments if a.mode == "t")
    result = "record" if routine.composite or routine.returns == "record" else "text"
    if routine.returns in ("trigger", "event_trigger", "void"):
        result = routine.returns
    returns = f"RETURNS {'SETOF ' if routine.returns_set else ''}{result}"
    if table:
        returns = f"RETURNS TABLE ({table})"
    elif any(one.mode in ("o", "b") for one in routine.arguments):
        returns = "RETURNS SETOF record" if routine.returns_set else ""
    tag = "pgwatch"
    while f"${tag}$" in source:
        tag += "x"
    return (
        f"CREATE FUNCTION judged({arguments}) {returns} LANGUAGE plpgsql AS ${tag}${source}${tag}$"
    )


def _mode(mode: str) -> str:
    return {"o": "OUT", "b": "INOUT"}.get(mode, "")


def _parameters(routine: Routine) -> dict[str, Variable]:
    return {one.name: typed(one.name, one.type) for one in routine.arguments if one.name}


def _positional(routine: Routine) -> tuple[Variable, ...]:
    return tuple(typed("", one.type) for one in routine.arguments if one.mode not in _OUT)


def _variable(
    one: Declaration, relations: Collection[str], variables: Mapping[str, Variable]
) -> Variable:
    if one.alias or not one.type:
        copied = variables.get(one.alias)
        if copied is not None:
            return replace(copied, name=one.name)
        return Variable(name=one.name, sql="" if one.alias else "NULL::refcursor")
    sql = type_expression(one.type)
    if sql == "" and (match := _OF_TABLE.match(one.type.strip())) is not None:
        other = variables.get(match["name"].strip().lower())
        return replace(other, name=one.name) if other else Variable(name=one.name)
    return Variable(name=one.name, sql=sql, composite=is_composite(one.type, relations))


def type_expression(type_: str) -> str:
    """Return an expression of a declared type, "" where only other variables or a query tell it."""
    text = type_.strip()
    match = _OF_TABLE.match(text)
    if match is None:
        plain = text.lower() != "record" and "%" not in text
        return f"NULL::{text}" if plain else ""
    if match["what"].lower() == "rowtype":
        return f"NULL::{match['name']}"
    table, dot, column = match["name"].rpartition(".")
    return f"(NULL::{table}).{column}" if dot else ""


def scope_of(routine: Routine, trigger: Trigger | None) -> Scope:
    """Return what a body can name before its own declarations."""
    variables = {
        n: Variable(name=n, sql=f"NULL::pg_catalog.{_bare(t)}") for n, t in _SPECIAL.items()
    }
    relations = {}
    if trigger is not None:
        table = f"{quoted(trigger.table.schema)}.{quoted(trigger.table.name)}"
        for name in ("new", "old"):
            variables[name] = Variable(
                name=name, sql=f"NULL::{table}", composite=True, columns=trigger.table.columns
            )
        relations = dict.fromkeys(trigger.transition_tables, table)
    elif routine.returns == "trigger":
        variables |= {name: Variable(name=name) for name in ("new", "old")}
    if routine.language == "sql":
        variables = {}
    label = routine.key.name.split("(")[0]
    conflict = "use_column" if routine.language == "sql" else variable_conflict(routine.source)
    outer = Scope((), _positional(routine), relations, conflict)
    return outer.inside(label, {**variables, **_parameters(routine)})


def _bare(name: str) -> str:
    return {"integer": "int4", "boolean": "bool", "text[]": "_text"}.get(name, name)


def known_of(trigger: Trigger, event: str) -> Known:
    """Return what is known in a trigger function that is called for `event`."""
    known: dict[str, str | int | tuple[str, ...] | None] = {
        "tg_op": event,
        "tg_name": trigger.key.name,
        "tg_when": trigger.timing,
        "tg_level": trigger.level,
        "tg_relname": trigger.table.name,
        "tg_table_name": trigger.table.name,
        "tg_table_schema": trigger.table.schema,
        "tg_nargs": len(trigger.arguments),
        "tg_argv": trigger.arguments,
    }
    if event == "INSERT" or trigger.level == "STATEMENT":
        known["old"] = None
    if event == "DELETE" or trigger.level == "STATEMENT":
        known["new"] = None
    return known


def pieces_of(
    routine: Routine, body: Body | None, trigger: Trigger | None, event: str
) -> Sequence[Piece]:
    """Return what is reached in a body, called for `event` by `trigger` (None: by anybody)."""
    scope = scope_of(routine, trigger)
    if body is None:
        return _statements(routine, scope)
    walk = Walk(body, scope, known_of(trigger, event) if trigger else {})
    walk.run()
    return walk.pieces


def _statements(routine: Routine, scope: Scope) -> list[Piece]:
    """Return the statements of a body in SQL; raises UnparsableError."""
    pieces, position = [], 0
    for text in statement_texts(routine.source):
        position = routine.source.index(text, position)
        begin = position + next((token.start for token in tokens(text)), 0)  # behind comments
        line = routine.source.count("\n", 0, begin) + 1
        position += len(text)
        pieces.append(Piece(kind="statement_into", sql=text, line=line, scope=scope))
    return pieces


_CREATED = re.compile(
    r"\bcreate\s+(?:(?:global|local)\s+)?(?:temp|temporary|unlogged)?\s*(?:table|view|materialized\s+view|sequence)\s+"
    r'(?:if\s+not\s+exists\s+)?(?:"?\w+"?\.)?"?(\w+)"?|\binto\s+temp(?:orary)?\s+(?:table\s+)?"?(\w+)"?',
    re.IGNORECASE,
)


def created_in(sources: Iterable[str]) -> frozenset[str]:
    """Return the names of relations that bodies make themselves, temporary ones above all."""
    return frozenset(
        (first or second).lower() for text in sources for first, second in _CREATED.findall(text)
    )
