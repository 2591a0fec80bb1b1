"""Syntax tree → the values an object is compared by; the same for a migration's SQL and the server's own."""

from collections.abc import Iterable, Iterator

from pgwatch.migration.objects import Expression, Query, Value
from pgwatch.migration.parse import (
    Node,
    expression_text,
    opened,
    pb,
    query_text,
    strings,
    type_text,
)

_ACTIONS = {
    "a": "no action",
    "r": "restrict",
    "c": "cascade",
    "n": "set null",
    "d": "set default",
    "": "no action",
}
_MATCHES = {"s": "simple", "f": "full", "p": "partial", "": "simple"}
_EVENTS = ((4, "insert"), (8, "delete"), (16, "update"), (32, "truncate"))  # pg_trigger.h
_NOT_IDENTITY = (pb.FUNC_PARAM_OUT, pb.FUNC_PARAM_TABLE)
_MODES = {
    pb.FUNC_PARAM_OUT: "out ",
    pb.FUNC_PARAM_INOUT: "inout ",
    pb.FUNC_PARAM_VARIADIC: "variadic ",
    pb.FUNC_PARAM_TABLE: "table ",
}
_VOLATILITY = ("immutable", "stable", "volatile")


def relation_text(relation: Node) -> str:
    """Return a relation's name, with its schema unless that is public."""
    schema = relation.schemaname
    return f"{schema}.{relation.relname}" if schema not in ("", "public") else relation.relname


def name_text(names: Iterable[Node]) -> str:
    """Return a name of several parts, without a schema public or pg_catalog."""
    return ".".join(part for part in strings(names) if part not in ("public", "pg_catalog"))


def column_names(node: Node) -> frozenset[str]:
    """Return the last names of all column references below `node`."""
    return frozenset(ref[-1] for ref in _references(node) if ref)


def _references(node: Node) -> Iterator[tuple[str, ...]]:
    for message in walk(node, leaves=_WITHOUT_COLUMNS):
        if isinstance(message, pb.ColumnRef):
            yield tuple(f.string.sval for f in message.fields if f.HasField("string"))


_WITHOUT_COLUMNS = (pb.ColumnRef, pb.A_Const, pb.TypeName, pb.String)  # below which there is none


def walk(node: Node, *, leaves: tuple[type, ...] = ()) -> Iterator[Node]:
    """Return `node` and every message below it, but nothing below `leaves`."""
    stack = [node]
    while stack:
        message = stack.pop()
        yield message
        if isinstance(message, leaves):
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                stack.extend([value] if hasattr(value, "ListFields") else value)


def deferrability(node: Node) -> str:
    """Return when a constraint is checked: its own words."""
    if node.initdeferred:
        return "initially deferred"
    return "deferrable" if node.deferrable else "not deferrable"


def constraint_values(node: Node, *, schema: str, table: str) -> dict[str, Value]:
    """Return the values of a Constraint node that stands for a constraint of its own."""
    kind = node.contype
    values: dict[str, Value] = {"deferrable": deferrability(node)}
    if kind == pb.CONSTR_CHECK:
        expression = Expression(expression_text(node.raw_expr), schema=schema, table=table)
        return {"kind": "check", "expression": expression}
    if kind == pb.CONSTR_FOREIGN:
        values["kind"] = "foreign key"
        values["columns"] = strings(node.fk_attrs)
        values["references"] = relation_text(node.pktable)
        if node.pk_attrs:
            values["referenced columns"] = strings(node.pk_attrs)
        values["on delete"] = _ACTIONS[node.fk_del_action]
        values["on update"] = _ACTIONS[node.fk_upd_action]
        values["match"] = _MATCHES[node.fk_matchtype]
        return values
    if kind == pb.CONSTR_EXCLUSION:
        values["kind"] = "exclude"
        values["elements"] = tuple(_exclusion(item.list.items) for item in node.exclusions)
        values["method"] = node.access_method or "btree"
        elements = [item.list.items[0].index_elem for item in node.exclusions]
        values |= _index_expressions(elements, schema=schema, table=table)
        values["predicate"] = _predicate(node.where_clause, schema=schema, table=table)
        return values
    values["kind"] = "primary key" if kind == pb.CONSTR_PRIMARY else "unique"
    if node.keys:
        values["columns"] = strings(node.keys)
        values["include"] = strings(node.including)
    if kind == pb.CONSTR_UNIQUE:
        values["nulls"] = "not distinct" if node.nulls_not_distinct else "distinct"
    return values


def _exclusion(items: list[Node]) -> str:
    element, operator = items[0].index_elem, items[1].list.items
    return f"{_index_column(element)} WITH {strings(operator)[-1]}"


def _index_expressions(
    elements: Iterable[Node], *, schema: str, table: str
) -> dict[str, Expression]:
    return {
        f"expression {number}": Expression(
            expression_text(_uncollated(one.expr)), schema=schema, table=table
        )
        for number, one in enumerate(elements, 1)
        if not _column_of(one)
    }


def _predicate(node: Node, *, schema: str, table: str) -> Value:
    if not node.WhichOneof("node"):
        return "none"
    return Expression(expression_text(node), schema=schema, table=table)


def index_values(node: Node, *, schema: str, table: str) -> dict[str, Value]:
    """Return the values of an IndexStmt."""
    values: dict[str, Value] = {
        "table": relation_text(node.relation),
        "method": node.access_method or "btree",
        "unique": "unique" if node.unique else "not unique",
        "columns": tuple(_index_column(item.index_elem) for item in node.index_params),
        "include": tuple(item.index_elem.name for item in node.index_including_params),
    }
    if node.unique:
        values["nulls"] = "not distinct" if node.nulls_not_distinct else "distinct"
    elements = [item.index_elem for item in node.index_params]
    values |= _index_expressions(elements, schema=schema, table=table)
    for number, element in enumerate(elements, 1):
        if element.opclass:
            values[f"operator class {number}"] = strings(element.opclass)[-1]
        else:
            values[f"default operator class {number}"] = "yes"
    values["predicate"] = _predicate(node.where_clause, schema=schema, table=table)
    return values | option_values(node.options)


_STATISTICS = ("dependencies", "mcv", "ndistinct")  # all of them, where none is named


def statistics_values(node: Node, *, schema: str, table: str) -> dict[str, Value]:
    """Return the values of a CreateStatsStmt."""
    elements = [item.stats_elem for item in node.exprs]
    values: dict[str, Value] = {
        "table": relation_text(node.relations[0].range_var),
        "columns": tuple(sorted(one.name for one in elements if one.name)),
        **_index_expressions(elements, schema=schema, table=table),
    }
    if len(elements) > 1:  # of one expression alone there are no kinds
        values["kinds"] = tuple(sorted(strings(node.stat_types))) or _STATISTICS
    return values


def option_values(nodes: Iterable[Node]) -> dict[str, Value]:
    """Return the storage parameters of a WITH or SET list: `option fillfactor`; OIDS leaves nothing."""
    options = [item.def_elem for item in nodes if item.def_elem.defname != "oids"]
    return {f"option {one.defname}": switch(_option(one.arg)) for one in options}


def switch(text: str) -> str:
    """Return a parameter's value, a switch as `true` or `false`, however it was written."""
    return {"on": "true", "yes": "true", "off": "false", "no": "false"}.get(text.lower(), text)


def _option(node: Node) -> str:
    kind, value = opened(node)
    if kind == "type_name":  # a bare word, such as `fastupdate = off`
        return type_text(value)
    if kind == "integer":
        return str(value.ival)
    if kind == "float":
        return str(value.fval)
    return str(value.sval) if kind == "string" else "true"


def _uncollated(expression: Node) -> Node:
    """Return an expression without its COLLATE, which the server keeps beside it (DefineIndex)."""
    kind, value = opened(expression)
    return value.arg if kind == "collate_clause" else expression


def _column_of(element: Node) -> str:
    """Return the column of an element, "" for an expression; `(name COLLATE "C")` is none to the server."""
    if not isinstance(element, pb.IndexElem) or element.name:
        return str(element.name)
    kind, value = opened(_uncollated(element.expr))
    return strings(value.fields)[-1] if kind == "column_ref" else ""


def _index_column(element: Node) -> str:
    descending = element.ordering == pb.SORTBY_DESC
    text = _column_of(element) or "(expression)"
    if descending:
        text += " DESC"
    if element.nulls_ordering == pb.SORTBY_NULLS_FIRST and not descending:
        text += " NULLS FIRST"
    if element.nulls_ordering == pb.SORTBY_NULLS_LAST and descending:
        text += " NULLS LAST"
    return text


def trigger_values(node: Node, *, schema: str, table: str) -> dict[str, Value]:
    """Return the values of a CreateTrigStmt."""
    timing = "before" if node.timing & 2 else "instead of" if node.timing & 64 else "after"
    values: dict[str, Value] = {
        "kind": "constraint trigger" if node.isconstraint else "trigger",
        "timing": timing,
        "events": tuple(name for bit, name in _EVENTS if node.events & bit),
        "level": "row" if node.row else "statement",
        "function": name_text(node.funcname),
        "arguments": strings(node.args),
        "columns": tuple(sorted(strings(node.columns))),
        "transition tables": tuple(
            _transition(item.trigger_transition) for item in node.transition_rels
        ),
    }
    if node.isconstraint:
        values["deferrable"] = deferrability(node)
    if node.HasField("when_clause"):
        text = expression_text(node.when_clause)
        values["condition"] = Expression(text, schema=schema, table=table, rows=("old", "new"))
    else:
        values["condition"] = "none"
    return values


def _transition(node: Node) -> str:
    return f"{'new' if node.is_new else 'old'} {'table' if node.is_table else 'row'} {node.name}"


def function_name(names: Iterable[Node], arguments: Iterable[str]) -> str:
    """Return the identity of a function in its schema: `f(int4, text)`."""
    return f"{strings(names)[-1]}({', '.join(arguments)})"


def identity_arguments(node: Node) -> list[str]:
    """Return the types that tell a function from another of its name."""
    parameters = [item.function_parameter for item in node.parameters]
    return [
        type_text(one.arg_type, modifiers=False)
        for one in parameters
        if one.mode not in _NOT_IDENTITY
    ]


def function_values(node: Node) -> dict[str, Value]:
    """Return the values of a CreateFunctionStmt."""
    values: dict[str, Value] = {
        "kind": "procedure" if node.is_procedure else "function",
        "volatility": "volatile",
        "on null input": "called",
        "security": "invoker",
        "parallel": "unsafe",
    }
    parameters = [item.function_parameter for item in node.parameters]
    values["arguments"] = tuple(_parameter(one) for one in parameters)
    for one in parameters:
        if one.HasField("defexpr"):
            text = expression_text(one.defexpr)
            cast = type_text(one.arg_type, modifiers=False)
            values[f"default of {one.name}"] = Expression(text, cast=cast)
    if node.HasField("return_type"):
        values["returns"] = type_text(node.return_type, modifiers=False)
    for option in node.options:
        values.update(_function_option(option.def_elem))
    body = values.get("body")
    if values.get("language") == "c" and isinstance(body, tuple) and len(body) == 1:
        values["body"] = (*body, strings(node.funcname)[-1])  # the symbol has the function's name
    return values


def _parameter(node: Node) -> str:
    name = f"{node.name} " if node.name else ""
    return f"{_MODES.get(node.mode, '')}{name}{type_text(node.arg_type, modifiers=False)}"


def _function_option(option: Node) -> dict[str, Value]:  # noqa: PLR0911 - one for each option
    kind, argument = opened(option.arg)
    match option.defname:
        case "language":
            return {"language": argument.sval.lower()}
        case "volatility" if argument.sval in _VOLATILITY:
            return {"volatility": argument.sval}
        case "strict":
            return {"on null input": "null" if argument.boolval else "called"}
        case "security":
            return {"security": "definer" if argument.boolval else "invoker"}
        case "parallel":
            return {"parallel": argument.sval.lower()}
        case "as" if kind == "list":
            return {"body": tuple(t.replace("\r\n", "\n") for t in strings(argument.items))}
        case "set" if argument.kind == pb.VAR_SET_VALUE:
            texts = tuple(expression_text(one).strip("'") for one in argument.args)
            return {f"setting {argument.name.lower()}": texts}
        case "set" if argument.kind == pb.VAR_RESET:
            return {f"setting {argument.name.lower()}": "none"}
    return {}


def view_query(node: Node) -> Query:
    """Return a view's query."""
    text = query_text(node)
    star = "*" in text and any(
        isinstance(message, pb.ColumnRef) and any(f.HasField("a_star") for f in message.fields)
        for message in walk(node)
    )
    return Query(text, star=star)


def relations_read(node: Node) -> frozenset[tuple[str, str]]:
    """Return (schema or "", name) of every relation that a query names."""
    return frozenset((m.schemaname, m.relname) for m in walk(node) if isinstance(m, pb.RangeVar))


def partition_key(node: Node, *, schema: str, table: str) -> dict[str, Value]:
    """Return the values of a PartitionSpec: `range (created_at, (expression))` and its expressions."""
    strategy = pb.PartitionStrategy.Name(node.strategy).removeprefix("PARTITION_STRATEGY_").lower()
    parts = [item.partition_elem for item in node.part_params]
    columns = ", ".join(part.name or "(expression)" for part in parts)
    expressions = _index_expressions(parts, schema=schema, table=table)
    return {
        "partition key": f"{strategy} ({columns})",
        **{f"partition key's {name}": value for name, value in expressions.items()},
    }


def partition_bound(node: Node) -> tuple[str, ...]:
    """Return a PartitionBoundSpec: `default`, or its values as written."""
    if node.is_default:
        return ("default",)
    if node.strategy == "h":
        return (f"modulus {node.modulus}", f"remainder {node.remainder}")
    values = [expression_text(item) for item in (*node.listdatums, *node.lowerdatums)]
    upper = [expression_text(item) for item in node.upperdatums]
    return ("in" if node.listdatums else "from", *values, *(("to", *upper) if upper else ()))
