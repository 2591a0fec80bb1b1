"""Enums, domains, composite types, sequences, schemas, extensions and policies. Pure."""

import re
from dataclasses import replace

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, expression_text, opened, pb, strings
from pgwatch.migration.preflight.asking import condition
from pgwatch.migration.preflight.columns import check_value
from pgwatch.migration.preflight.extensions import bring
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Column, Constraint, Relation, Type
from pgwatch.migration.preflight.row_question import RowQuestion, RowRule
from pgwatch.migration.preflight.stage import Stage, literal, qualified
from pgwatch.migration.preflight.typenames import resolve


def _new_name(stage: Stage, names: Node) -> tuple[str, str]:
    *schemas, name = strings(names)
    return stage.place(schemas[-1] if schemas else ""), name


def _free(stage: Stage, schema: str, name: str, *, harmless: bool = False) -> None:
    scene = stage.scene
    taken = (schema, name) in scene.type_names
    oid = scene.relation_names.get((schema, name))
    if taken or (oid is not None and scene.relations[oid].kind in "rpvmfc"):
        raise stage.fail("42710", f'type "{name}" already exists', harmless=harmless)


def create_enum(stage: Stage, node: Node) -> None:
    """CREATE TYPE … AS ENUM."""
    schema, name = _new_name(stage, node.type_name)
    labels = strings(node.vals)
    there = stage.scene.type_names.get((schema, name))
    same = there is not None and stage.scene.types[there].labels == labels
    _free(stage, schema, name, harmless=same)
    if len(set(labels)) < len(labels):
        raise stage.fail(
            "23505", 'duplicate key value violates unique constraint "pg_enum_typid_label_index"'
        )
    stage.scene.put_type(
        Type(oid=stage.scene.number(), kind="e", schema=schema, name=name, labels=labels)
    )


def _type(stage: Stage, names: Node) -> Type:
    schema, name = qualified(names)
    found = stage.scene.find_type(schema, name)
    if found is None:
        raise stage.fail("42704", f'type "{".".join(strings(names))}" does not exist')
    return found


def alter_enum(stage: Stage, node: Node) -> None:
    """ALTER TYPE … ADD VALUE and RENAME VALUE."""
    made = _type(stage, node.type_name)
    if made.kind != "e":
        raise stage.fail("42809", f"{made.name} is not an enum")
    labels = list(made.labels)
    if node.old_val:
        if node.old_val not in labels:
            raise stage.fail(
                "22023",
                f'"{node.old_val}" is not an existing enum label',
                harmless=node.new_val in labels,
            )
        if node.new_val in labels:
            raise stage.fail("42710", f'enum label "{node.new_val}" already exists')
        labels[labels.index(node.old_val)] = node.new_val
        _relabel(stage, made, node.old_val, node.new_val)
        stage.scene.put_type(replace(made, labels=tuple(labels), live=False))
        return
    if node.new_val in labels:
        if node.skip_if_new_val_exists:
            return
        raise stage.fail("42710", f'enum label "{node.new_val}" already exists', harmless=True)
    at = len(labels)
    if node.new_val_neighbor:
        if node.new_val_neighbor not in labels:
            raise stage.fail("22023", f'"{node.new_val_neighbor}" is not an existing enum label')
        at = labels.index(node.new_val_neighbor) + int(node.new_val_is_after)
    labels.insert(at, node.new_val)
    # A type made in the same transaction may use its new values at once.
    fresh = made.fresh
    if (stage.in_transaction or stage.in_block) and made.oid not in stage.scene.transaction_types:
        fresh = fresh | {node.new_val}
    stage.scene.put_type(replace(made, labels=tuple(labels), fresh=fresh, live=False))


def _relabel(stage: Stage, made: Type, old: str, new: str) -> None:
    """Keep up stored expressions: they name a label by its number, whatever it is called."""
    scene = stage.scene
    before, after = literal(old), literal(new)
    for table in list(scene.relations.values()):
        if not any(
            one.type != "?" and user_type(stage, one.type)[0] is made for one in table.columns
        ):
            continue
        columns = tuple(replace(c, default=c.default.replace(before, after)) for c in table.columns)
        scene.put(replace(table, columns=columns))
        for constraint in scene.constraints_of(table.oid):
            text = constraint.expression.replace(before, after)
            scene.constraints[table.oid, constraint.name] = replace(constraint, expression=text)
        for one in scene.indexes(table.oid):
            assert one.index is not None
            index = replace(
                one.index,
                predicate=one.index.predicate.replace(before, after),
                expressions=tuple(e.replace(before, after) for e in one.index.expressions),
            )
            scene.put(replace(one, index=index))


def create_composite(stage: Stage, node: Node) -> None:
    """CREATE TYPE … AS (…)."""
    schema = stage.place(node.typevar.schemaname)
    name = node.typevar.relname
    columns = []
    for number, item in enumerate(node.coldeflist, 1):
        type_ = resolve(stage, item.column_def.type_name)
        columns.append(Column(name=item.column_def.colname, type=type_, number=number))
    oid = stage.scene.relation_names.get((schema, name))
    there = stage.scene.relations[oid] if oid else None
    same = there is not None and [(c.name, c.type) for c in there.columns] == [
        (c.name, c.type) for c in columns
    ]
    _free(stage, schema, name, harmless=same)
    if oid is not None:
        raise stage.fail("42P07", f'relation "{name}" already exists')
    stage.scene.put(
        Relation(
            oid=stage.scene.number(),
            kind="c",
            schema=schema,
            name=name,
            columns=tuple(columns),
            altered=True,
        )
    )


def create_range(stage: Stage, node: Node) -> None:
    """CREATE TYPE … AS RANGE."""
    schema, name = _new_name(stage, node.type_name)
    _free(stage, schema, name)
    stage.scene.put_type(Type(oid=stage.scene.number(), kind="r", schema=schema, name=name))


def create_domain(stage: Stage, node: Node) -> None:
    """CREATE DOMAIN."""
    schema, name = _new_name(stage, node.domainname)
    base = resolve(stage, node.type_name)
    there = stage.scene.type_names.get((schema, name))
    same = there is not None and stage.scene.types[there].base == base
    _free(stage, schema, name, harmless=same)
    made = Type(oid=stage.scene.number(), kind="d", schema=schema, name=name, base=base)
    default, not_null = "", False
    for item in node.constraints:
        constraint = item.constraint
        if constraint.contype == pb.CONSTR_DEFAULT:
            check_value(stage, base, constraint.raw_expr, f'domain "{name}"')
            default = expression_text(constraint.raw_expr)
        elif constraint.contype == pb.CONSTR_NOTNULL:
            not_null = True
        elif constraint.contype == pb.CONSTR_CHECK:
            _domain_check(stage, made, constraint)
    stage.scene.put_type(replace(made, default=default, not_null=not_null))


def _domain_check(stage: Stage, domain: Type, node: Node) -> None:
    row = Relation(
        oid=0,
        kind="r",
        schema="",
        name="pgwatch_domain",
        columns=(Column(name="value", type=domain.base, number=1),),
        altered=True,
    )
    condition(stage, _lowered(node.raw_expr), row, "CHECK")
    name = node.conname or f"{domain.name}_check"
    number = 0
    while not node.conname and (domain.oid, name) in stage.scene.constraints:
        number += 1
        name = f"{domain.name}_check{number}"
    if (domain.oid, name) in stage.scene.constraints:
        raise stage.fail("42710", f'constraint "{name}" for domain "{domain.name}" already exists')
    stage.scene.constraints[domain.oid, name] = Constraint(
        table=domain.oid, name=name, kind="c", expression=expression_text(node.raw_expr)
    )


def _lowered(node: Node) -> Node:
    """VALUE is a word of its own, which a column of our own stands in for."""
    holder = pb.Node()
    holder.CopyFrom(node)
    for message in walk(holder):
        if isinstance(message, pb.ColumnRef) and len(message.fields) == 1:
            message.fields[0].string.sval = message.fields[0].string.sval.lower()
    return holder


def alter_domain(stage: Stage, node: Node) -> None:
    """ALTER DOMAIN."""
    domain = _type(stage, node.type_name)
    if domain.kind != "d":
        raise stage.fail("42809", f'"{domain.name}" is not a domain')
    definition = getattr(node, "def")
    key = (domain.oid, node.name)
    match node.subtype:
        case "C":
            _domain_check(stage, domain, opened(definition)[1])
            _domain_rows(stage, domain, opened(definition)[1])
        case "X":
            if key not in stage.scene.constraints:
                if node.missing_ok:
                    return
                raise stage.fail(
                    "42704",
                    f'constraint "{node.name}" of domain "{domain.name}" does not exist',
                    harmless=True,
                )
            del stage.scene.constraints[key]
        case "V":
            if key not in stage.scene.constraints:
                raise stage.fail(
                    "42704", f'constraint "{node.name}" of domain "{domain.name}" does not exist'
                )
        case "T" if definition.WhichOneof("node"):
            check_value(stage, domain.base, definition, f'domain "{domain.name}"')


def _domain_rows(stage: Stage, domain: Type, node: Node) -> None:
    if node.skip_validation:
        return
    for table in list(stage.scene.relations.values()):
        for column in table.columns:
            if (
                table.kind not in "rp"
                or column.type == "?"
                or not column.live
                or table.live is None
            ):
                continue
            if user_type(stage, column.type)[0] != domain:
                continue
            text = expression_text(_lowered(node.raw_expr))
            name = '"' + column.live.replace('"', '""') + '"'
            asked = RowQuestion(
                rule=RowRule.CHECK,
                schema=table.live[0],
                table=table.live[1],
                columns=(column.live,),
                expression=re.sub(r"\bvalue\b", name, text),
                sqlstate="23514",
            )
            stage.breaks(
                asked,
                table,
                f'column "{column.name}" of table "{table.name}" contains values'
                " that violate the new constraint",
            )


def create_schema(stage: Stage, node: Node) -> list[Node]:
    """CREATE SCHEMA; returns the statements inside it."""
    name = node.schemaname or node.authrole.rolename
    if node.HasField("authrole"):
        stage.role(node.authrole)
    if name in stage.scene.schemas:
        if node.if_not_exists:
            return []
        raise stage.fail("42P06", f'schema "{name}" already exists', harmless=True)
    if name.startswith("pg_"):
        raise stage.fail("42939", f'unacceptable schema name "{name}"')
    stage.scene.schemas[name] = False
    return list(node.schema_elts)


def create_extension(stage: Stage, node: Node) -> None:
    """CREATE EXTENSION."""
    name = node.extname
    if name in stage.scene.extensions:
        if node.if_not_exists:
            return
        raise stage.fail("42710", f'extension "{name}" already exists', harmless=True)
    schema = ""
    for item in node.options:
        if item.def_elem.defname == "schema":
            schema = stage.place(item.def_elem.arg.string.sval)
    if name not in stage.facts.available:
        raise stage.fail("0A000", f'extension "{name}" is not available')
    stage.scene.extensions[name] = schema or stage.place("")
    bring(stage.scene, name, stage.scene.extensions[name], stage.facts.version)
    stage.scene.made_extensions = stage.scene.made_extensions | {name}


def create_statistics(stage: Stage, node: Node) -> None:
    """CREATE STATISTICS."""
    table = stage.relation(node.relations[0].range_var)
    assert table is not None
    if table.kind not in "rmfp":
        raise stage.fail("42809", f'cannot define statistics for relation "{table.name}"')
    schema, name = _new_name(stage, node.defnames) if node.defnames else ("", "")
    if name and (schema, name) in stage.scene.statistics:
        if node.if_not_exists:
            return
        raise stage.fail("42710", f'statistics object "{name}" already exists', harmless=True)
    columns = [item.stats_elem.name for item in node.exprs if item.stats_elem.name]
    for one in columns:
        if table.column(one) is None:
            raise stage.fail("42703", f'column "{one}" does not exist')
    if len(node.exprs) == 1 and columns:
        raise stage.fail("42P17", "extended statistics require at least 2 columns")
    if len(set(columns)) < len(columns):
        raise stage.fail("42701", "duplicate column name in statistics definition")
    if name:
        stage.scene.statistics = stage.scene.statistics | {(schema, name)}
