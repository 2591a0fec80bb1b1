"""Partitions: whether a bound fits its parent and its siblings. Pure."""

from dataclasses import dataclass, replace

from pgwatch.migration.parse import (
    Node,
    UnparsableError,
    expression_text,
    opened,
    parse_statements,
    strings,
)
from pgwatch.migration.preflight.asking import columns_of
from pgwatch.migration.preflight.labels import check_label
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.oracle import Refusal
from pgwatch.migration.preflight.stage import Stage, StatementFailsError, quoted
from pgwatch.migration.preflight.standin import NotYetKnownError, StandIn

_OPEN = {"minvalue": "-", "maxvalue": "+"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The rows of a partition: DEFAULT has nothing here."""

    default: bool = False
    values: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()
    modulus: int = 0
    remainder: int = 0


def read_bound(node: Node) -> Bound:
    """Return a PartitionBoundSpec."""
    if node.is_default:
        return Bound(default=True)
    if node.strategy == "h":
        return Bound(modulus=node.modulus, remainder=node.remainder)
    return Bound(
        values=tuple(expression_text(one) for one in node.listdatums),
        lower=tuple(_limit(one) for one in node.lowerdatums),
        upper=tuple(_limit(one) for one in node.upperdatums),
    )


def _limit(node: Node) -> str:
    kind, value = opened(node)
    if kind == "column_ref":
        return strings(value.fields)[0].lower()
    return expression_text(node)


def bound_text(bound: Bound) -> str:
    """Return a bound as SQL."""
    if bound.default:
        return "DEFAULT"
    if bound.modulus:
        return f"FOR VALUES WITH (MODULUS {bound.modulus}, REMAINDER {bound.remainder})"
    if bound.values:
        return f"FOR VALUES IN ({', '.join(bound.values)})"
    return f"FOR VALUES FROM ({', '.join(bound.lower)}) TO ({', '.join(bound.upper)})"


def _of(relation: Relation) -> Bound | None:
    try:
        [(_, node)] = parse_statements(f"CREATE TABLE t PARTITION OF p {relation.bound}")
    except UnparsableError:
        return None
    return read_bound(node.partbound)


def check_partition(stage: Stage, parent: Relation, table: Relation) -> Relation:
    """Return a new partition with its parent's columns; fails where that is not partitioned."""
    if parent.kind != "p":
        raise stage.fail(
            "42P17" if parent.kind == "r" else "42809", f'"{parent.name}" is not partitioned'
        )
    columns = tuple(
        replace(one, inherited=True, live="", number=number)
        for number, one in enumerate(parent.columns, 1)
    )
    return replace(table, columns=columns, parents=(parent.oid,), bound="?")


def check_shape(stage: Stage, parent: Relation, node: Node) -> tuple[Bound, list[str]]:
    """Return a bound and the types of its values; fails where it is none for its parent."""
    bound = read_bound(node)
    types = [c.type if (c := parent.numbered(n)) else "text" for n in parent.key]
    kind = "" if bound.default else "h" if bound.modulus else "l" if bound.values else "r"
    if kind and kind != parent.strategy:
        words = {"l": "list", "r": "range", "h": "hash"}[parent.strategy]
        raise stage.fail("42P16", f"invalid bound specification for a {words} partition")
    if not kind and parent.strategy == "h":
        raise stage.fail("42P16", "a hash-partitioned table may not have a default partition")
    _check_values(stage, bound, types)
    return bound, types


def check_bound(stage: Stage, parent: Relation, table: Relation, node: Node) -> Relation:
    """Return the partition with its bound; fails where it overlaps another."""
    bound, types = check_shape(stage, parent, node)
    if bound.lower and (
        bound.lower == bound.upper
        or _less(stage, bound.upper, bound.lower, types)
        or _same_row(stage, bound.lower, bound.upper, types)
    ):
        raise stage.fail("42P17", f'empty range bound specified for partition "{table.name}"')
    siblings = [
        (one, b)
        for one in stage.scene.children(parent.oid)
        if one.oid != table.oid and one.bound and (b := _of(one))
    ]
    for sibling, other in siblings:
        if bound.default and other.default:
            raise stage.fail(
                "42P17",
                f'partition "{table.name}" conflicts with existing default partition "{sibling.name}"',
            )
        if _overlap(stage, bound, other, types):
            raise stage.fail(
                "42P17", f'partition "{table.name}" would overlap partition "{sibling.name}"'
            )
    if not bound.default:
        for sibling, other in siblings:
            if other.default:
                _check_default(stage, parent, sibling, bound, types)
    return replace(table, bound=bound_text(bound))


def _check_values(stage: Stage, bound: Bound, types: list[str]) -> None:
    if bound.lower and len(bound.lower) != len(types):
        raise stage.fail("42601", "FROM must specify exactly one value per partitioning column")
    if bound.upper and len(bound.upper) != len(types):
        raise stage.fail("42601", "TO must specify exactly one value per partitioning column")
    if bound.modulus and bound.remainder >= bound.modulus:
        raise stage.fail("42P16", "remainder for hash partition must be less than modulus")
    pairs = [(v, types[0]) for v in bound.values]
    pairs += [*zip(bound.lower, types, strict=False), *zip(bound.upper, types, strict=False)]
    for value, type_ in pairs:
        if value in _OPEN or value.upper() == "NULL":
            continue
        found, _ = user_type(stage, type_)
        if found is not None and found.kind == "e" and value.startswith("'"):
            check_label(stage, found, value[1:-1].replace("''", "'"))
        else:
            _check_cast(stage, value, type_)


def _check_cast(stage: Stage, value: str, type_: str) -> None:
    try:
        columns_of(stage, lambda: f"SELECT ({value})::{_standing(stage, type_)}")
    except StatementFailsError as error:
        if error.sqlstate != "42846":
            raise
        raise stage.fail("42804", f"specified value cannot be cast to type {type_}") from None


def _standing(stage: Stage, type_: str) -> str:
    return StandIn(stage).type(type_)


def _row(values: tuple[str, ...], types: list[str], stage: Stage) -> str:
    return f"({', '.join(f'({v})::{_standing(stage, t)}' for v, t in zip(values, types, strict=True))})"


def _same_row(stage: Stage, one: tuple[str, ...], other: tuple[str, ...], types: list[str]) -> bool:
    return not (_OPEN.keys() & {*one, *other}) and _equal(stage, one, other, types)


def _ask(stage: Stage, condition: str) -> bool:
    """Return whether a comparison of bounds holds; no, while the server was not asked."""
    answer = stage.oracle.value(f"SELECT {condition}")
    if isinstance(answer, Refusal):
        return False
    return bool(answer)


def _less(stage: Stage, one: tuple[str, ...], other: tuple[str, ...], types: list[str]) -> bool:
    """Return whether bound `one` lies below `other`."""
    for position, (a, b) in enumerate(zip(one, other, strict=True)):
        if a in _OPEN or b in _OPEN:
            low = (
                _less(stage, one[:position], other[:position], types[:position])
                if position
                else False
            )
            if low:
                return True
            if position and not _equal(stage, one[:position], other[:position], types[:position]):
                return False
            if a == b:
                return False
            return a == "minvalue" or b == "maxvalue"
    try:
        condition = f"{_row(one, types, stage)} < {_row(other, types, stage)}"
    except NotYetKnownError:
        return False
    return _ask(stage, condition)


def _equal(stage: Stage, one: tuple[str, ...], other: tuple[str, ...], types: list[str]) -> bool:
    return _ask(stage, f"{_row(one, types, stage)} = {_row(other, types, stage)}")


def _overlap(stage: Stage, bound: Bound, other: Bound, types: list[str]) -> bool:
    if bound.default or other.default:
        return False
    if bound.values:
        pairs = [(one, two) for one in bound.values for two in other.values]
        return any(_same(stage, one, two, types[0]) for one, two in pairs)
    if bound.modulus:
        least = min(bound.modulus, other.modulus)
        return bound.remainder % least == other.remainder % least
    return _less(stage, bound.lower, other.upper, types) and _less(
        stage, other.lower, bound.upper, types
    )


def _same(stage: Stage, one: str, two: str, type_: str) -> bool:
    if "NULL" in (one.upper(), two.upper()):
        return one.upper() == two.upper()
    try:
        return one == two or _equal(stage, (one,), (two,), [type_])
    except NotYetKnownError:
        return False


def _check_default(
    stage: Stage, parent: Relation, default: Relation, bound: Bound, types: list[str]
) -> None:
    """Rows of the default partition that belong to the new one are in its way."""
    if default.live is None or len(parent.key) != 1 or not parent.key[0]:
        return
    column = parent.numbered(parent.key[0])
    own = default.column(column.name) if column else None
    if own is None or not own.live:
        return
    name, type_ = quoted(own.live), types[0]
    if bound.values:
        inside = f"{name} IN ({', '.join(f'({v})::{type_}' for v in bound.values)})"
    elif bound.lower:
        parts = []
        if bound.lower[0] not in _OPEN:
            parts.append(f"{name} >= ({bound.lower[0]})::{type_}")
        if bound.upper[0] not in _OPEN:
            parts.append(f"{name} < ({bound.upper[0]})::{type_}")
        inside = " AND ".join(parts) or "true"
    else:
        return
    schema, relation = default.live
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM {quoted(schema)}.{quoted(relation)} WHERE {inside})"  # noqa: S608 - quoted
    )
    if answer is True and not default.rows_changed:
        raise stage.fail(
            "23514",
            f'updated partition constraint for default partition "{default.name}"'
            " would be violated by some row",
        )
