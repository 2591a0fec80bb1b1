"""Views, materialized views and CREATE TABLE AS. Pure."""

from dataclasses import replace

from pgwatch.migration.extract import walk
from pgwatch.migration.figure import output_names
from pgwatch.migration.parse import Node, pb, query_text, strings
from pgwatch.migration.preflight.asking import Columns, columns_of
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.oracle import UNKNOWN
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.stage import CannotTellError, Stage
from pgwatch.migration.preflight.standin import StandIn

# The system's own domains, and what the server calls them when it describes a query.
_DESCRIBED = {
    "information_schema.cardinal_number": "int4",
    "information_schema.character_data": "varchar",
    "information_schema.sql_identifier": "name",
    "information_schema.time_stamp": "timestamptz(2)",
    "information_schema.yes_or_no": "varchar(3)",
}


def create_view(stage: Stage, node: Node) -> None:
    """CREATE [OR REPLACE] VIEW."""
    scene = stage.scene
    relation = node.view
    temporary = relation.relpersistence == "t"
    schema = "pg_temp" if temporary else stage.place(relation.schemaname)
    existing = scene.find("" if temporary else schema, relation.relname)
    if existing is not None and not temporary and existing.schema != schema:
        existing = None
    _no_parameters(stage, node.query)
    columns = result_columns(stage, node.query, strings(node.aliases))
    if len(strings(node.aliases)) > len(columns) and columns[:1] and columns[0][1] != UNKNOWN:
        raise stage.fail("42601", "CREATE VIEW specifies more column names than columns")
    _check_types(stage, columns)
    view = Relation(
        oid=scene.number(),
        kind="v",
        schema=schema,
        name=relation.relname,
        columns=_as_columns(columns),
        uses=references(stage, node.query),
        altered=True,
    )
    if existing is None or not node.replace:
        _check_names(stage, columns)
    if existing is not None:
        if existing.kind != "v":
            if node.replace:
                raise stage.fail("42809", f'"{existing.name}" is not a view')
            raise stage.fail("42P07", f'relation "{existing.name}" already exists')
        if not node.replace:
            raise stage.fail(
                "42P07",
                f'relation "{existing.name}" already exists',
                harmless=_same(existing, columns),
            )
        check_replaced(stage, existing, columns)
        view = replace(view, oid=existing.oid, live=existing.live)
        view = replace(view, altered=existing.altered or not _same(existing, columns))
    scene.put(view)


def _no_parameters(stage: Stage, query: Node) -> None:
    for message in walk(query):
        if isinstance(message, pb.SelectStmt) and message.HasField("into_clause"):
            raise stage.fail("42601", "views must not contain SELECT INTO")


def _check_names(stage: Stage, columns: Columns) -> None:
    names = [name for name, _ in columns]
    for name in names:
        if names.count(name) > 1:
            raise stage.fail("42701", f'column "{name}" specified more than once')


def _check_types(stage: Stage, columns: Columns) -> None:
    for name, type_ in columns:
        if type_ in ("record", "void") and not stage.scene.blurred and type_ == "void":
            raise stage.fail("42P16", f'column "{name}" has pseudo-type {type_}')


def _as_columns(columns: Columns) -> tuple[Column, ...]:
    return tuple(
        Column(name=name, type=type_, number=number)
        for number, (name, type_) in enumerate(columns, 1)
    )


def _same(existing: Relation, columns: Columns) -> bool:
    return tuple((one.name, one.type) for one in existing.columns) == tuple(columns)


def check_replaced(stage: Stage, existing: Relation, columns: Columns) -> None:
    """Fail where OR REPLACE would take away, rename or change a column."""
    if any(type_ == UNKNOWN for _, type_ in columns):
        return
    if len(columns) < len(existing.columns):
        raise stage.fail("42P16", "cannot drop columns from view")
    for old, (name, type_) in zip(existing.columns, columns, strict=False):
        if old.name != name:
            raise stage.fail("42P16", f'cannot change name of view column "{old.name}" to "{name}"')
        if UNKNOWN not in (old.type, type_) and _DESCRIBED.get(old.type, old.type) != type_:
            raise stage.fail(
                "42P16",
                f'cannot change data type of view column "{name}" from {old.type} to {type_}',
            )
    there = {one.name for one in existing.columns}
    for name, _ in columns[len(existing.columns) :]:
        if name in there:
            raise stage.fail(
                "42701", f'column "{name}" of relation "{existing.name}" already exists'
            )
        there.add(name)


def result_columns(stage: Stage, query: Node, aliases: tuple[str, ...] = ()) -> Columns:
    """Return the columns of a query, their types UNKNOWN while the server was not asked."""
    stand_in = StandIn(stage)
    found = columns_of(stage, lambda: stand_in.query(query))
    if found is None:
        names = output_names(query) or ()
        found = tuple((name, UNKNOWN) for name in names)
        if not found:
            found = (("?", UNKNOWN),)
    found = tuple(
        (aliases[number] if number < len(aliases) else name, type_)
        for number, (name, type_) in enumerate(found)
    )
    return _with_enums(stage, query, found)


def _with_enums(stage: Stage, query: Node, columns: Columns) -> Columns:
    """Give columns that were stood in for by a tsvector the enum's name, where it is one's column."""
    if not any(type_ in ("tsvector", "record") for _, type_ in columns):
        return columns
    enums = {
        column.name: column.type
        for kind, oid, _ in references(stage, query)
        if kind == "relation"
        for column in stage.scene.relations[oid].columns
        if (found := stage.scene.find_type("", column.type)) is not None and found.kind == "e"
    }
    true = {
        column.name
        for kind, oid, _ in references(stage, query)
        if kind == "relation"
        for column in stage.scene.relations[oid].columns
        if column.type == "tsvector"
    }
    if true or "tsvector" in query_text(query):
        return tuple((n, enums.get(n, t) if t == "tsvector" else t) for n, t in columns)
    if not enums:
        own = [one for one in stage.scene.types.values() if one.kind == "e" and not one.live]
        only = own[0].name if len(own) == 1 else ""
        return tuple((n, only if t == "tsvector" and only else t) for n, t in columns)
    first = next(iter(enums.values()))
    return tuple((n, enums.get(n, first) if t == "tsvector" else t) for n, t in columns)


def unpopulated(stage: Stage, query: Node) -> None:
    """Fail where a query that is run reads a materialized view without its data."""
    seen: set[int] = set()

    def look(oid: int) -> None:
        if oid in seen or oid not in stage.scene.relations:
            return
        seen.add(oid)
        one = stage.scene.relations[oid]
        if one.kind == "m" and not one.populated:
            raise stage.fail("55000", f'materialized view "{one.name}" has not been populated')
        if one.kind == "v":
            for kind, below, _ in one.uses:
                if kind == "relation":
                    look(below)

    for kind, oid, _ in references(stage, query):
        if kind == "relation":
            look(oid)


def create_table_as(stage: Stage, node: Node) -> None:
    """CREATE MATERIALIZED VIEW and CREATE TABLE … AS."""
    scene = stage.scene
    into = node.into
    relation = into.rel
    matview = node.objtype == pb.OBJECT_MATVIEW
    temporary = relation.relpersistence == "t"
    schema = "pg_temp" if temporary else stage.place(relation.schemaname)
    if temporary and "pg_temp" not in scene.schemas:
        scene.schemas["pg_temp"] = False
        scene.path = ("pg_temp", *scene.path)
    exists = scene.relation_names.get((schema, relation.relname))
    if exists is not None and node.if_not_exists:
        _analysed(stage, node.query)
        return
    columns = _analysed(stage, node.query, strings(into.col_names))
    if exists is not None:
        there = scene.relations[exists]
        same = _same(there, columns) and there.kind == ("m" if matview else "r")
        raise stage.fail("42P07", f'relation "{relation.relname}" already exists', harmless=same)
    _check_names(stage, columns)
    if not into.skip_data:
        unpopulated(stage, node.query)
    if into.on_commit == pb.ONCOMMIT_DROP and not stage.in_transaction and not stage.in_block:
        return  # the statement is its own transaction
    scene.put(
        Relation(
            oid=scene.number(),
            kind="m" if matview else "r",
            schema=schema,
            name=relation.relname,
            columns=_as_columns(columns),
            uses=references(stage, node.query) if matview else frozenset(),
            populated=not into.skip_data,
            altered=True,
            rows_changed=not into.skip_data,
            emptied=not into.skip_data,
            persistence=relation.relpersistence,
        )
    )


def _analysed(stage: Stage, query: Node, aliases: tuple[str, ...] = ()) -> Columns:
    kind = query.WhichOneof("node")
    if kind != "select_stmt":
        raise CannotTellError("what it executes is not read")
    return result_columns(stage, query, aliases)


def refresh(stage: Stage, node: Node) -> None:
    """REFRESH MATERIALIZED VIEW."""
    view = stage.relation(node.relation)
    assert view is not None
    if view.kind not in "rpm":
        raise stage.fail("42809", f'"{view.name}" is not a table or materialized view')
    if view.kind != "m":
        raise stage.fail("0A000", f'"{view.name}" is not a materialized view')
    if node.concurrent:
        if not view.populated:
            raise stage.fail(
                "0A000", "CONCURRENTLY cannot be used when the materialized view is not populated"
            )
        if node.skip_data:
            raise stage.fail(
                "42601", "REFRESH options CONCURRENTLY and WITH NO DATA cannot be used together"
            )
        if not any(
            one.index and one.index.unique and one.index.plain and one.index.valid
            for one in stage.scene.indexes(view.oid)
        ):
            raise stage.fail(
                "55000", f'cannot refresh materialized view "{view.name}" concurrently'
            )
    _check_sources(stage, view)
    stage.scene.put(replace(view, populated=not node.skip_data))


def _check_sources(stage: Stage, view: Relation) -> None:
    for kind, oid, _ in view.uses:
        one = stage.scene.relations.get(oid) if kind == "relation" else None
        if one is not None and one.kind == "m" and not one.populated:
            raise stage.fail("55000", f'materialized view "{one.name}" has not been populated')
