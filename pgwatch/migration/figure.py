"""The names of a query's columns, by PostgreSQL's own rules (FigureColname in parse_target.c). Pure."""

from pgwatch.migration.parse import Node, opened, pb, strings

_BY_KIND = {
    "coalesce_expr": "coalesce",
    "grouping_func": "grouping",
    "row_expr": "row",
    "a_array_expr": "array",
    "json_object_constructor": "json_object",
    "json_array_constructor": "json_array",
    "json_object_agg": "json_objectagg",
    "json_array_agg": "json_arrayagg",
}
_VALUE_FUNCTIONS = {
    "CURRENT_TIME_N": "current_time",
    "CURRENT_TIMESTAMP_N": "current_timestamp",
    "LOCALTIME_N": "localtime",
    "LOCALTIMESTAMP_N": "localtimestamp",
}
_CASE, _TYPE, _NAME = 1, 1, 2  # how strongly a name holds against one further out


def output_names(query: Node) -> tuple[str, ...] | None:
    """Return the names of a query's columns; None where they depend on what it reads (`*`)."""
    kind, select = opened(query)
    if kind != "select_stmt":
        return None
    while select.HasField("larg"):  # of UNION and the like the first part names the columns
        select = select.larg
    if select.values_lists:
        width = len(select.values_lists[0].list.items)
        return tuple(f"column{number}" for number in range(1, width + 1))
    names = []
    for item in select.target_list:
        target = item.res_target
        name = target.name or _name(target.val)
        if name is None:
            return None
        names.append(name)
    return tuple(names)


def _name(node: Node) -> str | None:
    """Return the name of a result column, None for `*`."""
    kind, value = opened(node)
    if kind == "column_ref" and any(field.HasField("a_star") for field in value.fields):
        return None
    return _figure(node)[0] or "?column?"


def _figure(node: Node) -> tuple[str, int]:  # noqa: PLR0911 - one for each kind of node
    kind, value = opened(node)
    if kind == "column_ref":
        return strings(value.fields)[-1], _NAME
    if kind == "a_indirection":
        fields = [item.string.sval for item in value.indirection if item.HasField("string")]
        return (fields[-1], _NAME) if fields else _figure(value.arg)
    if kind == "func_call":
        return strings(value.funcname)[-1], _NAME
    if kind == "type_cast":
        return _figure_cast(value)
    if kind == "collate_clause":
        return _figure(value.arg)
    if kind == "case_expr":
        name, strength = _figure(value.defresult) if value.HasField("defresult") else ("", 0)
        return (name, strength) if strength > _CASE else ("case", _CASE)
    if kind == "sub_link":
        return _figure_sublink(value)
    return _figure_function(kind, value)


def _figure_cast(value: Node) -> tuple[str, int]:
    name, strength = _figure(value.arg)
    if strength > _TYPE:
        return name, strength
    return strings(value.type_name.names)[-1], _TYPE


def _figure_sublink(value: Node) -> tuple[str, int]:
    if value.sub_link_type == pb.EXISTS_SUBLINK:
        return "exists", _NAME
    if value.sub_link_type == pb.ARRAY_SUBLINK:
        return "array", _NAME
    if value.sub_link_type == pb.EXPR_SUBLINK:
        names = output_names(value.subselect)
        if names:
            return names[0], _NAME
    return "", 0


def _figure_function(kind: str, value: Node) -> tuple[str, int]:
    if kind == "a_expr" and value.kind == pb.AEXPR_NULLIF:
        return "nullif", _NAME
    if kind == "min_max_expr":
        return ("greatest" if value.op == pb.IS_GREATEST else "least"), _NAME
    if kind == "sqlvalue_function":
        name = pb.SQLValueFunctionOp.Name(value.op).removeprefix("SVFOP_")
        return _VALUE_FUNCTIONS.get(name, name.lower()), _NAME
    if kind == "xml_expr":
        return pb.XmlExprOp.Name(value.op).removeprefix("IS_").lower(), _NAME
    name = _BY_KIND.get(kind, "")
    return name, _NAME if name else 0
