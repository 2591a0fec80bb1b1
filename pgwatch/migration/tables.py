"""CREATE TABLE, ALTER TABLE and CREATE INDEX: what they declare. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pgwatch.migration.extract import (
    column_names,
    constraint_values,
    index_values,
    option_values,
    partition_bound,
    partition_key,
    relation_text,
    statistics_values,
)
from pgwatch.migration.naming import made_name
from pgwatch.migration.objects import Declared, Expression, Key, Kind, TypeName, Value
from pgwatch.migration.parse import Node, expression_text, opened, pb, strings, type_text
from pgwatch.migration.state import State

SERIALS = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}
_PERSISTENCE = {"p": "permanent", "u": "unlogged", "t": "temporary", "": "permanent"}
_LABELS = {
    pb.CONSTR_PRIMARY: "pkey",
    pb.CONSTR_UNIQUE: "key",
    pb.CONSTR_FOREIGN: "fkey",
    pb.CONSTR_CHECK: "check",
    pb.CONSTR_EXCLUSION: "excl",
}


def create_table(state: State, node: Node) -> None:
    """CREATE TABLE, also PARTITION OF; a temporary one leaves nothing behind."""
    relation = node.relation
    if relation.relpersistence == "t":
        state.without_object += 1
        return
    schema = state.schema_of(relation.schemaname, relation.relname, ())
    key = Key(Kind.TABLE, schema, relation.relname)
    values: dict[str, Value] = {"persistence": _PERSISTENCE[relation.relpersistence]}
    values |= option_values(node.options)
    if node.HasField("partspec"):
        values |= partition_key(node.partspec, schema=key.schema, table=key.name)
    if node.HasField("partbound"):
        values["partition of"] = relation_text(node.inh_relations[0].range_var)
        values["partition bound"] = partition_bound(node.partbound)
    parents = [item.range_var for item in node.inh_relations]
    state.create(key, values, uses=[state.relation(p.schemaname, p.relname) for p in parents])
    elements = [opened(item) for item in node.table_elts]
    for kind, element in elements:
        if kind == "column_def":
            add_column(state, key, element)
    for kind, element in elements:
        if kind == "constraint":
            add_constraint(state, key, element)
        elif kind == "table_like_clause":
            _copy_columns(state, key, element)


def _copy_columns(state: State, key: Key, node: Node) -> None:
    """LIKE: what it copies is known where an earlier statement declared it."""
    source = state.relation(node.relation.schemaname, node.relation.relname)
    for other, known in list(state.of_table(Kind.COLUMN, source)):
        kept = {n: f.value for n, f in known.facets.items() if n in ("type", "nullable")}
        state.create(Key(Kind.COLUMN, key.schema, other.name, key.name), kept)


def add_column(state: State, table: Key, node: Node) -> None:
    """Declare a column with everything its definition says, constraints included."""
    key = Key(Kind.COLUMN, table.schema, node.colname, table.name)
    values: dict[str, Value] = {}
    if node.HasField("type_name"):  # a partition's columns have their parent's
        text = type_text(node.type_name)
        values = {"nullable": "yes", "default": "none"}
        if text in SERIALS:
            text = SERIALS[text]
            values |= {"serial": "yes", "nullable": "no"}
            del values["default"]
        values["type"] = TypeName(text)
    if node.HasField("coll_clause"):
        values["collation"] = strings(node.coll_clause.collname)[-1]
    own = [item.constraint for item in node.constraints]
    for constraint in own:
        values |= _column_option(constraint)
        if "identity" in values or "generated" in values:
            values.pop("default", None)
    state.create(key, values, columns=[node.colname])
    pending: Node | None = None
    for constraint in own:
        if constraint.contype in _LABELS:
            if pending is not None:
                add_constraint(state, table, pending, column=node.colname)
            pending = constraint
        elif pending is not None and constraint.contype == pb.CONSTR_ATTR_DEFERRABLE:
            pending.deferrable = True
        elif pending is not None and constraint.contype == pb.CONSTR_ATTR_DEFERRED:
            pending.deferrable = pending.initdeferred = True
    if pending is not None:
        add_constraint(state, table, pending, column=node.colname)


def _column_option(node: Node) -> dict[str, Value]:
    if node.contype == pb.CONSTR_NOTNULL:
        return {"nullable": "no"}
    if node.contype == pb.CONSTR_DEFAULT:
        return {"default": default_value(node.raw_expr)}
    if node.contype == pb.CONSTR_IDENTITY:
        return {"identity": _identity(node.generated_when), "nullable": "no"}
    if node.contype == pb.CONSTR_GENERATED:
        # In which columns the expression is read is filled in where it is compared: its own table's.
        return {"generated": Expression(expression_text(node.raw_expr))}
    return {}


def _identity(when: str) -> str:
    return "always" if when == "a" else "by default"


def default_value(node: Node) -> Value:
    """Return a default; DEFAULT NULL, whatever its type, is the same as none."""
    kind, value = opened(node)
    while kind == "type_cast":
        kind, value = opened(value.arg)
    if kind == "a_const" and value.isnull:
        return "none"
    return Expression(expression_text(node))


def add_constraint(state: State, table: Key, node: Node, *, column: str = "") -> None:
    """Declare a table's constraint; `column`: it stands in that column's definition."""
    if node.contype == pb.CONSTR_NOTNULL:
        for name in strings(node.keys):
            state.change(Key(Kind.COLUMN, table.schema, name, table.name), {"nullable": "no"})
        return
    if node.contype not in _LABELS:
        return
    values = constraint_values(node, schema=table.schema, table=table.name)
    columns = strings(node.fk_attrs) or strings(node.keys)
    if column and node.contype != pb.CONSTR_CHECK:
        columns = columns or (column,)
        values["columns"] = columns
        values.setdefault("include", ()) if node.contype in _KEYS else None
    if node.contype == pb.CONSTR_CHECK:
        columns = tuple(sorted(column_names(node.raw_expr)))
    if node.contype == pb.CONSTR_EXCLUSION:
        items = [item.list.items[0].index_elem for item in node.exclusions]
        columns = tuple(item.name or "expr" for item in items)
    if node.contype in (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN):
        values |= {"validated": "yes"} if node.is_enforced else {"enforced": "no"}
    given = _own_name(state, table, node, values) if node.contype in _KEYS else node.conname
    if given is None:
        return
    name = given or _constraint_name(state, table, node.contype, columns)
    if node.indexname:  # USING INDEX: the index takes the constraint's name
        state.objects.pop(Key(Kind.INDEX, table.schema, node.indexname), None)
    key = Key(Kind.CONSTRAINT, table.schema, name, table.name)
    state.create(key, values, derived=not given, columns=columns)
    if node.contype == pb.CONSTR_PRIMARY:
        for each in columns:
            state.change(Key(Kind.COLUMN, table.schema, each, table.name), {"nullable": "no"})


def _own_name(state: State, table: Key, node: Node, values: Mapping[str, Value]) -> str | None:
    """Return the name that a key is given, empty without one; None where another one takes its place.

    Of two keys of the same columns in one statement the server makes one (transformIndexConstraints).
    """
    given: str = node.conname
    same = _same_key(state, table, values)
    if same is None:
        return given
    if node.contype == pb.CONSTR_PRIMARY:
        state.objects.pop(same.key)
        return given or ("" if same.derived else same.key.name)
    if given and same.derived:
        state.rename(same.key, replace(same.key, name=given))
    return None


def _same_key(state: State, table: Key, values: Mapping[str, Value]) -> Declared | None:
    """Return the key of the same columns that the same statement makes already."""
    same = ("columns", "include", "deferrable")
    for _, known in state.of_table(Kind.CONSTRAINT, table):
        other = {name: facet.value for name, facet in known.facets.items()}
        if known.place != state.place or other.get("kind") not in ("primary key", "unique"):
            continue
        nulls = {one.get("nulls", "distinct") for one in (other, values)}
        if len(nulls) == 1 and all(other.get(name) == values.get(name) for name in same):
            return known
    return None


_KEYS = (pb.CONSTR_PRIMARY, pb.CONSTR_UNIQUE)


def _constraint_name(state: State, table: Key, kind: int, columns: tuple[str, ...]) -> str:
    if kind == pb.CONSTR_PRIMARY or (kind == pb.CONSTR_CHECK and len(columns) != 1):
        columns = ()
    base = made_name(table.name, *columns, label=_LABELS[kind])
    name, number = base, 0
    while state.exists(Key(Kind.CONSTRAINT, table.schema, name, table.name)):
        number += 1
        name = made_name(table.name, *columns, label=f"{_LABELS[kind]}{number}")
    return name


def create_statistics(state: State, node: Node) -> None:
    """CREATE STATISTICS; what PostgreSQL calls one without a name is not looked for."""
    names = strings(node.defnames)
    relation = node.relations[0].range_var
    if not names:
        state.unknown("statistics without a name are not looked for")
        return
    table = state.relation(relation.schemaname, relation.relname)
    schema = names[-2] if names[:-1] else state.search_path[0]
    key = Key(Kind.STATISTICS, schema, names[-1])
    values = statistics_values(node, schema=table.schema, table=table.name)
    state.create(key, values, columns=[item.stats_elem.name for item in node.exprs])


def create_index(state: State, node: Node) -> None:
    """CREATE INDEX, also CONCURRENTLY."""
    table = state.relation(node.relation.schemaname, node.relation.relname)
    values = index_values(node, schema=table.schema, table=table.name)
    values["table"] = relation_text_of(table)
    values["valid"] = "yes"
    used = {name for item in node.index_params for name in _index_names(item.index_elem)}
    used |= column_names(node.where_clause) if node.HasField("where_clause") else set()
    name = node.idxname or made_name(table.name, *_index_words(node), label="idx")
    key = Key(Kind.INDEX, table.schema, name)
    state.create(key, values, derived=not node.idxname, columns=used, uses=[table])


def relation_text_of(key: Key) -> str:
    """Return a relation's name as `relation_text` writes it."""
    return str(key)


def _index_names(element: Node) -> Iterable[str]:
    return [element.name] if element.name else column_names(element.expr)


def _index_words(node: Node) -> list[str]:
    words = []
    for item in (*node.index_params, *node.index_including_params):
        element = item.index_elem
        kind, expression = opened(element.expr)
        called = strings(expression.funcname)[-1] if kind == "func_call" else "expr"
        words.append(element.name or called)
    return words
