"""Functions, procedures and triggers. Pure."""

import re
from dataclasses import dataclass, replace

from pgwatch.migration.extract import column_names, trigger_values, walk
from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.asking import (
    assignable,
    columns_of,
    expression_type,
    is_literal,
)
from pgwatch.migration.preflight.bodies import check_body, check_plpgsql
from pgwatch.migration.preflight.columns import literal_as
from pgwatch.migration.preflight.objects import Function, Relation, Trigger
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.stage import Stage, qualified
from pgwatch.migration.preflight.standin import StandIn
from pgwatch.migration.preflight.typenames import resolve

_INPUTS = (pb.FUNC_PARAM_IN, pb.FUNC_PARAM_INOUT, pb.FUNC_PARAM_VARIADIC, pb.FUNC_PARAM_DEFAULT)
_OUTPUTS = (pb.FUNC_PARAM_OUT, pb.FUNC_PARAM_INOUT, pb.FUNC_PARAM_TABLE)
_VOLATILITY = {"immutable": "i", "stable": "s", "volatile": "v"}
_EVENTS = ((4, "INSERT"), (8, "DELETE"), (16, "UPDATE"), (32, "TRUNCATE"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    language: str = ""
    volatility: str = "v"
    body: str = ""


def create_function(stage: Stage, node: Node) -> None:
    """CREATE [OR REPLACE] FUNCTION and PROCEDURE."""
    *schemas, name = strings(node.funcname)
    schema = stage.place(schemas[-1] if schemas else "")
    options = _options(node)
    language = options.language or ("sql" if node.HasField("sql_body") else "")
    if not language:
        raise stage.fail("42P13", "no language specified")
    if language not in stage.facts.languages:
        raise stage.fail("42704", f'language "{language}" does not exist')
    if language == "c":
        stage.note(f"whether the server has the library {options.body} cannot be read")
    function = replace(
        _function(stage, node, schema, name),
        language=language,
        volatility=options.volatility,
        shape=options.body,
    )
    existing = next(
        (
            one
            for one in stage.scene.functions_named(schema, name)
            if [*map(_plain, one.arguments)] == [*map(_plain, function.arguments)]
        ),
        None,
    )
    if existing is not None:
        _check_replaced(
            stage, existing, function, replaces=node.replace, procedure=node.is_procedure
        )
        function = replace(
            function, oid=existing.oid, live=existing.live and _alike(existing, function)
        )
    _check_text(stage, node, function)
    uses = frozenset(
        ref for ref in (references(stage, node.sql_body) if node.HasField("sql_body") else ())
    )
    stage.scene.put_function(replace(function, uses=uses))


def _plain(type_: str) -> str:
    """Return a type without its length, of which PostgreSQL keeps none for a function's."""
    return re.sub(r"\(.*\)", "", type_)


def _alike(one: Function, other: Function) -> bool:
    return (one.returns, one.returns_set, one.outputs, one.defaults) == (
        other.returns,
        other.returns_set,
        other.outputs,
        other.defaults,
    )


def _options(node: Node) -> _Options:
    options = _Options()
    for item in node.options:
        kind, value = opened(item.def_elem.arg)
        match item.def_elem.defname:
            case "language":
                options = replace(options, language=value.sval.lower())
            case "volatility":
                options = replace(options, volatility=_VOLATILITY.get(value.sval, "v"))
            case "as" if kind == "list":
                options = replace(options, body=strings(value.items)[0])
    return options


def _function(stage: Stage, node: Node, schema: str, name: str) -> Function:
    parameters = [item.function_parameter for item in node.parameters]
    types = [resolve(stage, one.arg_type) for one in parameters]
    pairs = list(zip(parameters, types, strict=True))
    inputs = [(p, t) for p, t in pairs if p.mode in _INPUTS]
    outputs = tuple((p.name, _plain(t)) for p, t in pairs if p.mode in _OUTPUTS)
    named = [p.name for p, _ in inputs if p.name]
    if len(set(named)) < len(named):
        raise stage.fail("42P13", f'parameter name "{named[0]}" used more than once')
    defaults = 0
    for parameter, type_ in inputs:
        if parameter.HasField("defexpr"):
            defaults += 1
            _check_default(stage, parameter.defexpr, type_)
        elif defaults:
            raise stage.fail(
                "42P13", "input parameters after one with a default value must also have defaults"
            )
    table = any(p.mode == pb.FUNC_PARAM_TABLE for p in parameters)
    if node.HasField("return_type"):
        returns = resolve(stage, node.return_type).removeprefix("SETOF ")
    elif len(outputs) > 1:
        returns = "record"
    else:
        returns = outputs[0][1] if outputs else "" if node.is_procedure else "void"
    if not node.HasField("return_type") and not outputs and not node.is_procedure:
        raise stage.fail("42P13", "function result type must be specified")
    if table and len(outputs) > 1:
        returns = "record"
    return Function(
        oid=stage.scene.number(),
        schema=schema,
        name=name,
        kind="p" if node.is_procedure else "f",
        arguments=tuple(t for _, t in inputs),
        names=tuple(p.name for p, _ in inputs),
        defaults=defaults,
        variadic=any(p.mode == pb.FUNC_PARAM_VARIADIC for p in parameters),
        returns=_plain(returns),
        returns_set=table or node.return_type.setof,
        outputs=outputs,
    )


def _check_default(stage: Stage, node: Node, type_: str) -> None:
    if column_names(node):
        raise stage.fail("42P10", "cannot use table references in parameter default value")
    if is_literal(node):
        literal_as(stage, node, type_)
        return
    found = expression_type(stage, node, None)
    if not assignable(stage, found, type_):
        raise stage.fail("42P13", f"argument of DEFAULT must be type {type_}, not type {found}")


def _check_replaced(
    stage: Stage, old: Function, new: Function, *, replaces: bool, procedure: bool
) -> None:
    if not replaces:
        same = _alike(old, new) and old.shape.strip() == new.shape.strip()
        raise stage.fail(
            "42723",
            f'function "{new.name}" already exists with same argument types',
            harmless=same,
        )
    if (old.kind == "p") != procedure or old.kind in "aw":
        raise stage.fail("42809", "cannot change routine kind")
    if "?" not in (old.returns, new.returns) and (
        old.returns != new.returns or old.returns_set != new.returns_set
    ):
        raise stage.fail("42P13", "cannot change return type of existing function")
    if new.returns == "record" and old.outputs != new.outputs:
        raise stage.fail("42P13", "cannot change return type of existing function")
    for old_name, new_name in zip(old.names, new.names, strict=False):
        if old_name and old_name != new_name:
            raise stage.fail("42P13", f'cannot change name of input parameter "{old_name}"')
    if new.defaults < old.defaults:
        raise stage.fail("42P13", "cannot remove parameter defaults from existing function")


def _check_text(stage: Stage, node: Node, function: Function) -> None:
    if stage.scene.settings.get("check_function_bodies", "on") in ("off", "false"):
        return
    if function.language == "plpgsql":
        check_plpgsql(stage, node, function.shape)
    elif function.language == "sql" and not node.HasField("sql_body"):
        check_body(stage, function)


def create_trigger(stage: Stage, node: Node) -> None:
    """CREATE [OR REPLACE] TRIGGER."""
    scene = stage.scene
    table = stage.relation(node.relation)
    assert table is not None
    _check_kind(stage, table, node)
    columns = _condition(stage, table, node) if node.HasField("when_clause") else set()
    function = _trigger_function(stage, node)
    key = (table.oid, node.trigname)
    values = trigger_values(node, schema=table.schema, table=table.name)
    shape = "; ".join(f"{name}={value}" for name, value in sorted(values.items()))
    existing = scene.triggers.get(key)
    if existing is not None and not node.replace:
        same = existing.shape == shape or (
            existing.function == function.oid and _same_events(existing.shape, node)
        )
        raise stage.fail(
            "42710",
            f'trigger "{node.trigname}" for relation "{table.name}" already exists',
            harmless=same,
        )
    for name in strings(node.columns):
        column = stage.column(table, name)
        columns.add(column.number)
    trigger = Trigger(
        table=table.oid,
        name=node.trigname,
        function=function.oid,
        columns=frozenset(columns),
        definition=stage.sql,
        shape=shape,
    )
    scene.triggers[key] = trigger
    if node.row:
        for child in scene.descendants(table.oid):
            if child.bound and child.kind in "rp":
                _on_partition(stage, child, trigger)


def _on_partition(stage: Stage, child: Relation, trigger: Trigger) -> None:
    key = (child.oid, trigger.name)
    if key in stage.scene.triggers and not stage.scene.triggers[key].inherited:
        raise stage.fail(
            "42710", f'trigger "{trigger.name}" for relation "{child.name}" already exists'
        )
    stage.scene.triggers[key] = replace(trigger, table=child.oid, inherited=True)


def _same_events(shape: str, node: Node) -> bool:
    timing = "BEFORE" if node.timing & 2 else "INSTEAD OF" if node.timing & 64 else "AFTER"
    events = [word for bit, word in _EVENTS if node.events & bit]
    head = shape.split(" ON ", maxsplit=1)[0]
    return timing in head and all(word in head for word in events)


def _check_kind(stage: Stage, table: Relation, node: Node) -> None:
    instead = node.timing & 64
    if table.kind in "rpf":
        if instead:
            raise stage.fail("42809", f'"{table.name}" is a table')
        if table.kind == "p" and node.row and node.transition_rels:
            raise stage.fail("0A000", f'"{table.name}" is a partitioned table')
    elif table.kind == "v":
        if not instead and node.row:
            raise stage.fail("42809", f'"{table.name}" is a view')
        if node.transition_rels:
            raise stage.fail("42809", f'"{table.name}" is a view')
    else:
        raise stage.fail("42809", f'relation "{table.name}" cannot have triggers')


def _condition(stage: Stage, table: Relation, node: Node) -> set[int]:
    found = set()
    names = set()
    for message in walk(node.when_clause):
        if isinstance(message, pb.SubLink):
            raise stage.fail("0A000", "cannot use subquery in trigger WHEN condition")
        if isinstance(message, pb.ColumnRef):
            parts = strings(f for f in message.fields if f.HasField("string"))
            names.add(parts[0].lower())
            column = table.column(parts[-1])
            if column is not None:
                found.add(column.number)
    if "old" in names and node.events & 4:
        raise stage.fail("42P17", "INSERT trigger's WHEN condition cannot reference OLD values")
    if "new" in names and node.events & 8:
        raise stage.fail("42P17", "DELETE trigger's WHEN condition cannot reference NEW values")
    if not node.row and names & {"old", "new"}:
        raise stage.fail(
            "42P17", "statement trigger's WHEN condition cannot reference column values"
        )
    rows = [(table, "old"), (table, "new")]
    columns_of(stage, lambda: StandIn(stage).expressions([node.when_clause], rows))
    return found


def _trigger_function(stage: Stage, node: Node) -> Function:
    schema, name = qualified(node.funcname)
    found = [one for one in stage.scene.functions_named(schema, name) if not one.arguments]
    if not found:
        if name in stage.facts.functions:
            return Function(oid=0, schema="pg_catalog", name=name, kind="f", arguments=())
        raise stage.fail("42883", f"function {name}() does not exist")
    if found[0].returns != "trigger":
        raise stage.fail("42P17", f"function {name} must return type trigger")
    return found[0]


def call(stage: Stage, node: Node) -> None:
    """CALL of a procedure."""
    schema, name = qualified(node.funccall.funcname)
    found = stage.scene.functions_named(schema, name)
    if not found and name not in stage.facts.functions:
        raise stage.fail("42883", f"procedure {name} does not exist")
    if found and all(one.kind != "p" for one in found):
        raise stage.fail("42809", f"{name} is not a procedure")
