"""Foreign keys: what they may refer to, and the rows that have nothing to refer to. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, parse_expression, strings
from pgwatch.migration.preflight.added import check_added_references
from pgwatch.migration.preflight.asking import plain
from pgwatch.migration.preflight.constraint_parts import (
    columns_named,
    name_of,
    shape_of,
)
from pgwatch.migration.preflight.liverows import has_rows, question, with_references
from pgwatch.migration.preflight.objects import Column, Constraint, Relation
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.stage import CannotTellError, Stage, quoted


def add_foreign_key(stage: Stage, table: Relation, node: Node, *, column: str, fresh: bool) -> None:
    """Add a foreign key."""
    scene = stage.scene
    if not fresh and node.conname:
        name_of(stage, table, node, "", label="fkey")  # a name that is taken comes first
    target = stage.relation(node.pktable)
    assert target is not None
    if target.kind not in "rp":
        raise stage.fail("42809", f'referenced relation "{target.name}" is not a table')
    if target.persistence == "t" and table.persistence != "t":
        raise stage.fail(
            "42P16", "constraints on permanent tables may reference only permanent tables"
        )
    columns = columns_named(
        stage, table, strings(node.fk_attrs) or (column,), "referenced in foreign key constraint"
    )
    numbers = tuple(one.number for one in columns)
    if node.pk_attrs:
        referenced = columns_named(
            stage, target, strings(node.pk_attrs), "referenced in foreign key constraint"
        )
        keys = tuple(one.number for one in referenced)
    else:
        keys = scene.primary_key(target.oid)
        if not keys:
            raise stage.fail(
                "42704", f'there is no primary key for referenced table "{target.name}"'
            )
    if len(keys) != len(numbers):
        raise stage.fail(
            "42830", "number of referencing and referenced columns for foreign key disagree"
        )
    index = _key_index(stage, target, keys)
    others = [one for key in keys if (one := target.numbered(key)) is not None]
    _check_types(stage, table, columns, others, node)
    name = name_of(stage, table, node, "_".join(one.name for one in columns), label="fkey")
    enforced = node.is_enforced or stage.facts.version < 180000
    made = Constraint(
        table=table.oid,
        name=name,
        kind="f",
        columns=numbers,
        references=target.oid,
        referenced=keys,
        index=index,
        validated=not node.skip_validation,
        enforced=enforced,
        shape=shape_of(node, table),
        match_full=node.fk_matchtype == "f",
        on_delete=node.fk_del_action or "a",
    )
    if not fresh and made.validated and enforced:
        foreign_rows(stage, table, target, made)
        check_added_references(stage, table, target, made)
    scene.constraints[table.oid, name] = made
    for child in [one for one in scene.descendants(table.oid) if one.bound and one.kind in "rp"]:
        names = {c.name: c.number for c in child.columns}
        mapped = tuple(names.get(one.name, 0) for one in columns)
        scene.constraints.setdefault(
            (child.oid, name), replace(made, table=child.oid, columns=mapped, inherited=True)
        )


def _key_index(stage: Stage, target: Relation, keys: tuple[int, ...]) -> int:
    for one in stage.scene.indexes(target.oid):
        index = one.index
        assert index is not None
        if (
            index.unique
            and index.plain
            and index.immediate
            and index.valid
            and (sorted(index.columns) == sorted(keys))
        ):
            return one.oid
    raise stage.fail(
        "42830",
        f'there is no unique constraint matching given keys for referenced table "{target.name}"',
    )


def _check_types(
    stage: Stage, table: Relation, columns: list[Column], others: list[Column], node: Node
) -> None:
    for column, other in zip(columns, others, strict=True):
        if not comparable(stage, column.type, other.type):
            name = node.conname or f"{table.name}_{column.name}_fkey"
            raise stage.fail("42804", f'foreign key constraint "{name}" cannot be implemented')


# Types whose values are compared across by operators of one btree family (pg_amop), or as text.
_FAMILIES = (
    frozenset({"int2", "int4", "int8"}),
    frozenset({"float4", "float8"}),
    frozenset({"text", "varchar", "name"}),
    frozenset({"text", "varchar", "bpchar"}),
    frozenset({"date", "timestamp", "timestamptz"}),
)


def comparable(stage: Stage, one: str, other: str) -> bool:
    """Return whether a foreign key may refer from a column of type `one` to one of type `other`."""
    first, second = plain(stage, one), plain(stage, other)
    if first == second or "?" in (first, second) or "record" in (first, second):
        return True
    if any({first, second} <= family for family in _FAMILIES):
        return True
    # The referencing side may be converted implicitly to the key's type.
    return stage.facts.casts.get((first, second), ("", ""))[0] == "i"


def foreign_rows(stage: Stage, table: Relation, target: Relation, made: Constraint) -> None:
    """Fail where rows of `table` have nothing to refer to: when the key is added, or validated."""
    columns = [table.numbered(number) for number in made.columns]
    changed = {number for number, _ in table.values}
    if table.live and target.live and (table.gone or changed & set(made.columns)):
        _changed_rows(stage, table, columns, target, made)
        return
    if any(one is not None and not one.live and not one.default for one in columns):
        return
    asked = None
    if all(one is not None and one.live for one in columns):
        asked = question(stage, table, RowRule.FOREIGN_KEY, made.columns, sqlstate="23503")
    if asked is None:
        return
    asked = with_references(replace(asked, match_full=made.match_full), target, made.referenced)
    if asked is None:
        if has_rows(stage, table):
            stage.note(
                f"whether the rows of {table.name} have theirs in {target.name} is not known yet"
            )
        return
    _breaks(stage, asked, table, target, made)


def _breaks(
    stage: Stage, asked: RowQuestion, table: Relation, target: Relation, made: Constraint
) -> None:
    moved = {number for number, _ in target.values} | target.doubtful
    if target.keyed or moved & set(made.referenced):
        table = replace(table, emptied=True)
    message = (
        f'insert or update on table "{table.name}" violates foreign key constraint "{made.name}"'
    )
    stage.breaks_later(asked, table, message)


def _changed_rows(
    stage: Stage,
    table: Relation,
    columns: list[Column | None],
    target: Relation,
    made: Constraint,
) -> None:
    """Ask about rows that earlier statements update or delete: as a CHECK, which can say that."""
    assert target.live is not None
    referenced = [c.live for n in made.referenced if (c := target.numbered(n)) is not None]
    if not all(referenced):
        return
    nodes = []
    for one in columns:
        assert one is not None
        nodes.append(quoted(one.name))
    schema, relation = target.live
    own = ", ".join(nodes)
    named = ", ".join(f"pgwatch_referenced.{quoted(one)}" for one in referenced)
    missing = " OR ".join(f"{one} IS NULL" for one in nodes)
    test = parse_expression(f"({missing}) OR ({own}) IN (SELECT 1)")
    asked = None
    try:
        asked = question(
            stage,
            table,
            RowRule.CHECK,
            made.columns,
            sqlstate="23503",
            expression=test,
        )
    except CannotTellError as error:
        stage.note(str(error))
    if asked is None:
        return
    query = f"SELECT {named} FROM {quoted(schema)}.{quoted(relation)} AS pgwatch_referenced"  # noqa: S608 - quoted
    asked = replace(asked, expression=asked.expression.replace("(SELECT 1)", f"({query})"))
    _breaks(stage, asked, table, target, made)
