"""CREATE AGGREGATE. Pure."""

from pgwatch.migration.parse import Node, opened, strings
from pgwatch.migration.preflight.lookup import takes
from pgwatch.migration.preflight.objects import Function
from pgwatch.migration.preflight.oracle import UNKNOWN
from pgwatch.migration.preflight.stage import Stage, qualified
from pgwatch.migration.preflight.typenames import resolve


def create_aggregate(stage: Stage, node: Node) -> None:
    """CREATE [OR REPLACE] AGGREGATE, also in the spelling with BASETYPE."""
    *schemas, name = strings(node.defnames)
    schema = stage.place(schemas[-1] if schemas else "")
    options = {item.def_elem.defname: item.def_elem.arg for item in node.definition}
    for needed in ("stype", "sfunc"):
        if needed not in options and f"{needed}1" not in options:
            raise stage.fail("42P13", f"aggregate {needed} must be specified")
    types = _arguments(node, options)
    arguments = tuple(resolve(stage, one) for one in types)
    state = resolve(stage, opened(options["stype"])[1])
    _check_function(stage, options["sfunc"], (state, *arguments))
    returns = state
    if "finalfunc" in options:
        _check_function(stage, options["finalfunc"], (state,))
        returns = _result(stage, options["finalfunc"])
    existing = [o for o in stage.scene.functions_named(schema, name) if o.arguments == arguments]
    if existing and not node.replace:
        reason = f'function "{name}" already exists with same argument types'
        raise stage.fail("42723", reason, harmless=existing[0].kind == "a")
    stage.scene.put_function(
        Function(
            oid=existing[0].oid if existing else stage.scene.number(),
            schema=schema,
            name=name,
            kind="a",
            arguments=arguments,
            names=("",) * len(arguments),
            returns=returns,
            language="internal",
            volatility="i",
        )
    )


def _arguments(node: Node, options: dict[str, Node]) -> list[Node]:
    if node.oldstyle:
        if "basetype" not in options:
            return []
        kind, value = opened(options["basetype"])
        return [value] if kind == "type_name" and strings(value.names)[-1] != "any" else []
    parameters = node.args[0].list.items if node.args and node.args[0].HasField("list") else ()
    return [item.function_parameter.arg_type for item in parameters]


def _name(option: Node) -> tuple[str, str]:
    kind, value = opened(option)
    return qualified(value.names) if kind == "type_name" else ("", value.sval)


def _check_function(stage: Stage, option: Node, types: tuple[str, ...]) -> None:
    """Fail where no function of the name takes so many arguments, or other polymorphic ones."""
    schema, name = _name(option)
    if any(takes(one, len(types)) for one in stage.scene.functions_named(schema, name)):
        return
    polymorphic = any(one.startswith("any") for one in types)
    for one in stage.facts.functions.get(name, ()):
        alike = not polymorphic or one.arguments == types
        if len(one.arguments) == len(types) and alike:
            return
    raise stage.fail("42883", f"function {name}({', '.join(types)}) does not exist")


def _result(stage: Stage, option: Node) -> str:
    schema, name = _name(option)
    results = {one.returns for one in stage.scene.functions_named(schema, name)}
    return results.pop() if len(results) == 1 else UNKNOWN
