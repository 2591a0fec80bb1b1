"""The system's catalogues as they would be on the scene, for queries that ask them what exists. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pgwatch.migration.preflight.objects import Relation
from pgwatch.migration.preflight.scene import Scene, shown_oid
from pgwatch.migration.preflight.stage import literal

_Row = tuple[tuple[str, ...], tuple[object, ...]]  # names by which it is looked for, values
_TABLE_TYPES = {"r": "BASE TABLE", "p": "BASE TABLE", "v": "VIEW", "f": "FOREIGN"}
_CONSTRAINTS = {"p": "PRIMARY KEY", "u": "UNIQUE", "c": "CHECK", "f": "FOREIGN KEY"}


@dataclass(frozen=True, slots=True)
class _Catalogue:
    columns: tuple[tuple[str, str], ...]
    rows: Callable[[Scene], Iterator[_Row]]


def catalogue(scene: Scene, schema: str, name: str, constants: Sequence[str]) -> str | None:
    """Return a query with the rows of a catalogue that `constants` could mean; None for one not held."""
    found = _CATALOGUES.get((schema or "pg_catalog", name))
    if found is None:
        return None
    patterns = not constants or any("%" in one for one in constants)
    rows = [
        values
        for names, values in found.rows(scene)
        if patterns or any(one in constants for one in names)
    ]
    names = ", ".join(name for name, _ in found.columns)
    nulls = ", ".join(f"NULL::{type_}" for _, type_ in found.columns)
    lines = [
        "("
        + ", ".join(f"{_value(v)}::{t}" for v, (_, t) in zip(row, found.columns, strict=True))
        + ")"
        for row in rows
    ]
    values = ", ".join([f"({nulls})", *lines])
    return f"SELECT * FROM (VALUES {values}) AS pgwatch_rows ({names}) OFFSET 1"  # noqa: S608 - quoted


def _value(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else literal(str(value))


def _namespace(scene: Scene, name: str) -> int:
    names = sorted(scene.schemas)
    return 0xE0000000 + names.index(name) if name in names else 0


def _pg_namespace(scene: Scene) -> Iterator[_Row]:
    for name in scene.schemas:
        yield (name, "*"), (_namespace(scene, name), name)


def _pg_class(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        yield (
            _names(scene, one),
            (
                shown_oid(one.oid),
                one.name,
                _namespace(scene, one.schema),
                one.kind,
                one.row_security,
                bool(one.bound),
            ),
        )


def _names(scene: Scene, one: Relation) -> tuple[str, ...]:
    table = scene.relations.get(one.index.table) if one.index else None
    return (one.name, f"{one.schema}.{one.name}", *((table.name,) if table else ()))


def _pg_type(scene: Scene) -> Iterator[_Row]:
    for one in scene.types.values():
        yield (one.name,), (shown_oid(one.oid), one.name, _namespace(scene, one.schema), one.kind)
    for relation in scene.relations.values():
        if relation.kind in "rpvmfc" and (relation.schema, relation.name) not in scene.type_names:
            number = shown_oid(relation.oid) ^ 0x8000000
            yield (relation.name,), (number, relation.name, _namespace(scene, relation.schema), "c")


def _pg_enum(scene: Scene) -> Iterator[_Row]:
    for one in scene.types.values():
        for order, label in enumerate(one.labels, 1):
            yield (one.name, label), (shown_oid(one.oid), label, order)


def _pg_attribute(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        for column in one.columns:
            yield (
                (one.name, column.name, f"{one.schema}.{one.name}"),
                (
                    shown_oid(one.oid),
                    column.name,
                    column.number,
                    column.not_null,
                    False,
                    bool(column.default),
                    column.identity,
                ),
            )


def _pg_constraint(scene: Scene) -> Iterator[_Row]:
    for one in scene.constraints.values():
        table = scene.relations.get(one.table)
        name = table.name if table else ""
        yield (
            (one.name, name),
            (
                one.name,
                shown_oid(one.table) if table else 0,
                one.kind,
                one.validated,
                shown_oid(one.references) if one.references else 0,
                _namespace(scene, table.schema) if table else 0,
                shown_oid(one.index) if one.index else 0,
            ),
        )


def _pg_trigger(scene: Scene) -> Iterator[_Row]:
    for one in scene.triggers.values():
        name = scene.relations[one.table].name if one.table in scene.relations else ""
        yield (
            (one.name, name),
            (one.name, shown_oid(one.table), False, "O", shown_oid(one.function)),
        )


def _pg_proc(scene: Scene) -> Iterator[_Row]:
    for one in scene.functions.values():
        yield (
            (one.name,),
            (
                shown_oid(one.oid),
                one.name,
                _namespace(scene, one.schema),
                one.kind,
                len(one.arguments),
            ),
        )


def _pg_index(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.index is not None:
            table = scene.relations.get(one.index.table)
            yield (
                (one.name, table.name if table else ""),
                (
                    shown_oid(one.oid),
                    shown_oid(one.index.table),
                    one.index.unique,
                    one.index.primary,
                    one.index.valid,
                ),
            )


def _pg_indexes(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.index is not None and one.index.table in scene.relations:
            table = scene.relations[one.index.table]
            yield (one.name, table.name), (one.schema, table.name, one.name)


def _of_kind(kinds: str) -> Callable[[Scene], Iterator[_Row]]:
    def rows(scene: Scene) -> Iterator[_Row]:
        for one in scene.relations.values():
            if one.kind in kinds:
                yield (one.name, one.schema), (one.schema, one.name)

    return rows


def _pg_matviews(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.kind == "m":
            yield (one.name, one.schema), (one.schema, one.name, one.populated)


def _pg_policies(scene: Scene) -> Iterator[_Row]:
    for one in scene.policies.values():
        table = scene.relations[one.table]
        yield (one.name, table.name), (table.schema, table.name, one.name)


def _pg_policy(scene: Scene) -> Iterator[_Row]:
    for one in scene.policies.values():
        yield (one.name, scene.relations[one.table].name), (one.name, shown_oid(one.table))


def _pg_extension(scene: Scene) -> Iterator[_Row]:
    for name in scene.extensions:
        yield (name,), (name,)


def _pg_roles(scene: Scene) -> Iterator[_Row]:
    for name in scene.roles:
        yield (name,), (name,)


def _tables(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.kind in _TABLE_TYPES:
            yield (one.name,), (one.schema, one.name, _TABLE_TYPES[one.kind])


def _columns(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.kind in _TABLE_TYPES:
            for position, column in enumerate(one.columns, 1):
                base = column.type.split("(")[0]
                length = column.type.partition("(")[2].partition(")")[0]
                text = base in ("varchar", "bpchar")
                yield (
                    (one.name, column.name),
                    (
                        one.schema,
                        one.name,
                        column.name,
                        position,
                        column.default or None,
                        "NO" if column.not_null else "YES",
                        _DATA_TYPES.get(base, "ARRAY" if base.endswith("[]") else base)
                        if base not in {t.name for t in scene.types.values()}
                        else "USER-DEFINED",
                        base.rpartition(".")[2],
                        int(length) if text and length.isdigit() else None,
                        "ALWAYS" if column.generated else "NEVER",
                        "YES" if column.identity else "NO",
                    ),
                )


_DATA_TYPES = {
    "varchar": "character varying",
    "bpchar": "character",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "float4": "real",
    "float8": "double precision",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
}


def _table_constraints(scene: Scene) -> Iterator[_Row]:
    for one in scene.constraints.values():
        table = scene.relations.get(one.table)
        if table is not None and one.kind in _CONSTRAINTS:
            yield (
                (one.name, table.name),
                (table.schema, one.name, table.schema, table.name, _CONSTRAINTS[one.kind]),
            )


def _triggers(scene: Scene) -> Iterator[_Row]:
    for one in scene.triggers.values():
        table = scene.relations[one.table]
        yield (one.name, table.name), (table.schema, one.name, table.schema, table.name)


def _routines(scene: Scene) -> Iterator[_Row]:
    for one in scene.functions.values():
        if one.kind in "fp":
            kind = "FUNCTION" if one.kind == "f" else "PROCEDURE"
            yield (one.name,), (one.schema, one.name, kind)


def _schemata(scene: Scene) -> Iterator[_Row]:
    for name in scene.schemas:
        yield (name,), (name,)


def _sequences(scene: Scene) -> Iterator[_Row]:
    for one in scene.relations.values():
        if one.kind == "S":
            yield (one.name,), (one.schema, one.name)


def _typed(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition(" ") for part in text.split(", "))
    return tuple((name, type_ or "text") for name, _, type_ in pairs)


_S = "information_schema"
_CATALOGUES = {
    ("pg_catalog", "pg_namespace"): _Catalogue(_typed("oid oid, nspname"), _pg_namespace),
    ("pg_catalog", "pg_class"): _Catalogue(
        _typed(
            'oid oid, relname, relnamespace oid, relkind "char", relrowsecurity bool, relispartition bool'
        ),
        _pg_class,
    ),
    ("pg_catalog", "pg_type"): _Catalogue(
        _typed('oid oid, typname, typnamespace oid, typtype "char"'), _pg_type
    ),
    ("pg_catalog", "pg_enum"): _Catalogue(
        _typed("enumtypid oid, enumlabel, enumsortorder float4"), _pg_enum
    ),
    ("pg_catalog", "pg_attribute"): _Catalogue(
        _typed(
            "attrelid oid, attname, attnum int2, attnotnull bool, attisdropped bool,"
            " atthasdef bool, attidentity"
        ),
        _pg_attribute,
    ),
    ("pg_catalog", "pg_constraint"): _Catalogue(
        _typed(
            'conname, conrelid oid, contype "char", convalidated bool, confrelid oid,'
            " connamespace oid, conindid oid"
        ),
        _pg_constraint,
    ),
    ("pg_catalog", "pg_trigger"): _Catalogue(
        _typed('tgname, tgrelid oid, tgisinternal bool, tgenabled "char", tgfoid oid'), _pg_trigger
    ),
    ("pg_catalog", "pg_proc"): _Catalogue(
        _typed('oid oid, proname, pronamespace oid, prokind "char", pronargs int2'), _pg_proc
    ),
    ("pg_catalog", "pg_index"): _Catalogue(
        _typed(
            "indexrelid oid, indrelid oid, indisunique bool, indisprimary bool, indisvalid bool"
        ),
        _pg_index,
    ),
    ("pg_catalog", "pg_indexes"): _Catalogue(
        _typed("schemaname, tablename, indexname"), _pg_indexes
    ),
    ("pg_catalog", "pg_tables"): _Catalogue(_typed("schemaname, tablename"), _of_kind("rp")),
    ("pg_catalog", "pg_views"): _Catalogue(_typed("schemaname, viewname"), _of_kind("v")),
    ("pg_catalog", "pg_sequences"): _Catalogue(_typed("schemaname, sequencename"), _of_kind("S")),
    ("pg_catalog", "pg_matviews"): _Catalogue(
        _typed("schemaname, matviewname, ispopulated bool"), _pg_matviews
    ),
    ("pg_catalog", "pg_policies"): _Catalogue(
        _typed("schemaname, tablename, policyname"), _pg_policies
    ),
    ("pg_catalog", "pg_policy"): _Catalogue(_typed("polname, polrelid oid"), _pg_policy),
    ("pg_catalog", "pg_extension"): _Catalogue(_typed("extname"), _pg_extension),
    ("pg_catalog", "pg_roles"): _Catalogue(_typed("rolname"), _pg_roles),
    (_S, "tables"): _Catalogue(_typed("table_schema, table_name, table_type"), _tables),
    (_S, "columns"): _Catalogue(
        _typed(
            "table_schema, table_name, column_name, ordinal_position int, column_default, is_nullable,"
            " data_type, udt_name, character_maximum_length int, is_generated, is_identity"
        ),
        _columns,
    ),
    (_S, "views"): _Catalogue(_typed("table_schema, table_name"), _of_kind("v")),
    (_S, "table_constraints"): _Catalogue(
        _typed("constraint_schema, constraint_name, table_schema, table_name, constraint_type"),
        _table_constraints,
    ),
    (_S, "triggers"): _Catalogue(
        _typed("trigger_schema, trigger_name, event_object_schema, event_object_table"), _triggers
    ),
    (_S, "routines"): _Catalogue(_typed("routine_schema, routine_name, routine_type"), _routines),
    (_S, "schemata"): _Catalogue(_typed("schema_name"), _schemata),
    (_S, "sequences"): _Catalogue(_typed("sequence_schema, sequence_name"), _sequences),
}
