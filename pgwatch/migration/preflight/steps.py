"""A migration as a row of trees, each with its place; DO blocks are taken apart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgwatch.errors import InputError, Problem
from pgwatch.migration.blocks import parse_block
from pgwatch.migration.folder import migration_name
from pgwatch.migration.objects import Place
from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    opened,
    parse_statements,
    pb,
    strings,
)
from pgwatch.migration.sqlfile import Statement, read_statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement, or one inside a DO block."""

    place: Place
    kind: str  # name of its node
    node: Node


def read_files(paths: Iterable[Path]) -> tuple[Statement, ...]:
    """Return the statements of all files, in order; raises InputError for those that cannot be read."""
    statements: list[Statement] = []
    problems = []
    for path in paths:
        try:
            statements += read_statements(path)
        except OSError as error:
            problems.append(Problem(file=str(path), message=error.strerror or str(error)))
    if problems:
        raise InputError(problems)
    return tuple(statements)


def read_steps(statements: Iterable[Statement]) -> tuple[list[Step], list[Place]]:
    """Return what can be read of the statements, those of DO blocks included, and where the rest is."""
    steps: list[Step] = []
    unread: list[Place] = []
    for one in statements:
        place = Place(
            migration=migration_name(one.file), file=one.file, line=one.line, sql=one.text
        )
        if one.opaque:
            unread.append(place)
            continue
        try:
            for kind, node in _parsed(one.text):
                steps.append(Step(place=place, kind=kind, node=node))
        except UnparsableError:
            unread.append(place)
    return steps, unread


def _parsed(text: str) -> list[tuple[str, Node]]:
    """Return a statement, or those of a DO block; raises UnparsableError, also for a dynamic one."""
    found = []
    for kind, node in parse_statements(text):
        if kind != "do_stmt":
            found.append((kind, node))
            continue
        for inner in parse_block(text):
            if inner.opaque:
                raise UnparsableError(inner.opaque)
            found += parse_statements(inner.text)
    return found


def names_in(node: Node) -> set[str]:
    """Return all that could be the name of a relation, a type or a function in a tree."""
    found = set[str]()
    for one in walk(node):
        if one.DESCRIPTOR.name == "RangeVar":
            found.add(one.relname)
        elif one.DESCRIPTOR.name == "String":
            found.add(one.sval)
    return found


def functions_in(node: Node) -> set[str]:
    """Return the names of the functions that a tree calls, without schemas."""
    return {
        name
        for one in walk(node)
        if one.DESCRIPTOR.name == "FuncCall"
        for name in strings(one.funcname)[-1:]
    }


def walk(node: Node) -> Iterator[Node]:
    """Iterate over a tree's messages, itself first."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        for field, value in one.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value


def set_to(node: Node) -> tuple[str, ...]:
    """Return the values of a SET, none where it is RESET or SET … TO DEFAULT."""
    if node.kind != pb.VAR_SET_VALUE:
        return ()
    values = []
    for item in node.args:
        constant = opened(item)[1]
        kind = constant.WhichOneof("val")
        values.append(constant.sval.sval if kind == "sval" else str(constant.ival.ival))
    return tuple(values)
