"""Which objects a statement names, and which it makes: for texts that take objects for granted. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pgwatch.migration.parse import Node, opened, parse_statements, pb, strings

_MADE_BY = {
    "create_stmt": "relation",
    "create_foreign_table_stmt": "base_stmt",
    "view_stmt": "view",
    "create_seq_stmt": "sequence",
}  # the field that holds what is made


class Named(StrEnum):
    """What a name stands for, as far as the statement says."""

    RELATION = "relation"  # table, view, index, sequence: which one only the server knows
    FUNCTION = "function"
    CONSTRAINT = "constraint"
    TRIGGER = "trigger"


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """One object that is named."""

    kind: Named
    name: str
    schema: str = ""  # empty where none is said

    def __str__(self) -> str:
        """Return the name as people write it."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a text names and must be there, and what it makes itself."""

    needed: frozenset[Mention]
    made: frozenset[Mention]


def mentions(text: str) -> Mentions:
    """Return what the statements of `text` need and make; raises UnparsableError.

    What is named with IF EXISTS is not needed.
    """
    needed: set[Mention] = set()
    made: set[Mention] = set()
    for kind, node in parse_statements(text):
        made |= set(_made(kind, node))
        if not getattr(node, "missing_ok", False):
            needed |= set(_needed(kind, node))
    return Mentions(frozenset(needed - made), frozenset(made))


def _made(kind: str, node: Node) -> Iterator[Mention]:
    if kind in _MADE_BY:
        yield _relation(getattr(node, _MADE_BY[kind]))
    elif kind == "create_table_as_stmt":
        yield _relation(node.into.rel)
    elif kind == "select_stmt" and node.HasField("into_clause"):
        yield _relation(node.into_clause.rel)
    elif kind == "index_stmt":
        yield Mention(Named.RELATION, node.idxname, node.relation.schemaname)
    elif kind == "create_function_stmt":
        yield _named(Named.FUNCTION, strings(node.funcname))
    elif kind == "create_trig_stmt":
        yield Mention(Named.TRIGGER, node.trigname)
    elif kind == "rename_stmt":
        for one in Named:
            yield Mention(one, node.newname)
    elif kind == "alter_table_stmt":
        for command in _commands(node):
            _, made = opened(getattr(command, "def"))
            if command.subtype == pb.AT_AddConstraint and made is not None:
                yield Mention(Named.CONSTRAINT, made.conname)


def _needed(kind: str, node: Node) -> Iterator[Mention]:
    if kind == "drop_stmt":
        yield from _dropped(node)
        return
    if kind == "comment_stmt":
        return  # names every kind of thing, and is no use of it
    if kind == "alter_table_stmt":
        for command in _commands(node):
            if command.subtype in (pb.AT_ValidateConstraint, pb.AT_DropConstraint):
                if not command.missing_ok:
                    yield Mention(Named.CONSTRAINT, command.name)
            elif command.subtype in (pb.AT_EnableTrig, pb.AT_DisableTrig):
                yield Mention(Named.TRIGGER, command.name)
    local = {cte.ctename for cte in _of_type(node, "CommonTableExpr")}
    for relation in _of_type(node, "RangeVar"):
        if relation.relname and (relation.schemaname or relation.relname not in local):
            yield _relation(relation)
    for call in _of_type(node, "FuncCall"):
        yield _named(Named.FUNCTION, strings(call.funcname))


def _dropped(node: Node) -> Iterator[Mention]:
    relations = (
        pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_INDEX, pb.OBJECT_SEQUENCE,
    )  # fmt: skip
    for one in node.objects:
        kind, dropped = opened(one)
        if kind == "list" and node.remove_type in relations:
            yield _named(Named.RELATION, strings(dropped.items))
        elif kind == "list" and node.remove_type == pb.OBJECT_TRIGGER:
            *table, trigger = strings(dropped.items)
            yield Mention(Named.TRIGGER, trigger)
            yield _named(Named.RELATION, table)
        elif kind == "object_with_args":
            yield _named(Named.FUNCTION, strings(dropped.objname))


def _commands(node: Node) -> list[Node]:
    return [command.alter_table_cmd for command in node.cmds]


def _relation(node: Node) -> Mention:
    return Mention(Named.RELATION, node.relname, node.schemaname)


def _named(kind: Named, names: Iterable[str]) -> Mention:
    *before, name = names
    return Mention(kind, name, before[-1] if before else "")


def _of_type(node: Node, name: str) -> Iterator[Node]:
    """Iterate over the messages called `name` in and below `node`."""
    left = [node]
    while left:
        one = left.pop()
        if one.DESCRIPTOR.name == name:
            yield one
        for field, value in one.ListFields():
            if field.message_type is not None:
                left.extend(value if field.is_repeated else [value])
