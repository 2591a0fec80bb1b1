"""Roles: what CREATE and ALTER ROLE say of them, of whom they are members, and their settings. Pure."""

from collections.abc import Iterable

from pgwatch.migration.objects import Key, Kind, Value
from pgwatch.migration.parse import Node, pb
from pgwatch.migration.state import State

# Options by the names that the grammar gives them; a password is nobody's to compare.
_OPTIONS = {
    "canlogin": "login",
    "superuser": "superuser",
    "createdb": "may create databases",
    "createrole": "may create roles",
    "inherit": "inherits",
    "isreplication": "replicates",
    "bypassrls": "bypasses row security",
}


def create_role(state: State, node: Node) -> None:
    """CREATE ROLE, USER and GROUP: what they say; a user may log in."""
    values: dict[str, Value] = {}
    if node.stmt_type == pb.ROLESTMT_USER:
        values["login"] = "yes"
    key = _key(node.role)
    state.create(key, values | _options(node.options))
    _members(state, key, node.options)


def alter_role(state: State, node: Node) -> None:
    """ALTER ROLE, and ALTER GROUP with its members."""
    if not node.role.rolename:
        state.unknown("which role this changes only the one knows who ran it")
        return
    key = _key(node.role.rolename)
    values = _options(node.options)
    if values:
        state.change(key, values)
    added = node.action >= 0
    _members(state, key, node.options, belong=added)


def set_of_role(state: State, node: Node) -> None:
    """ALTER ROLE … SET: the setting, in all databases."""
    if not node.role.rolename or node.database:
        state.unknown("a setting of all roles, or in one database, is not compared")
        return
    setting = node.setstmt
    if setting.kind not in (pb.VAR_SET_VALUE, pb.VAR_SET_DEFAULT, pb.VAR_RESET):
        state.unknown("this setting is not compared")
        return
    value = setting_value(_constant(item) for item in setting.args)
    values: dict[str, Value] = {f"setting {setting.name}": value or "none"}
    state.change(_key(node.role.rolename), values)


def drop_role(state: State, node: Node) -> None:
    """DROP ROLE."""
    for item in node.roles:
        if item.role_spec.rolename:
            state.drop(_key(item.role_spec.rolename))


def grant_role(state: State, node: Node) -> None:
    """GRANT and REVOKE of roles."""
    if node.opt and not node.is_grant:
        return  # REVOKE … OPTION FOR: the membership stays
    if not all(one.role_spec.rolename for one in node.grantee_roles):
        state.unknown("who was made a member only the one knows who ran it")
    for item in node.granted_roles:
        names = (one.role_spec.rolename for one in node.grantee_roles)
        _belongs(state, filter(None, names), item.access_priv.priv_name, belong=node.is_grant)


def setting_value(values: Iterable[str]) -> str:
    """Return a setting's value, or the parts of one, without what only spells it in another way."""
    return ",".join(values).replace('"', "").replace(" ", "").lower()


def _key(name: str) -> Key:
    return Key(Kind.ROLE, "", name)


def _options(nodes: Iterable[Node]) -> dict[str, Value]:
    options = [item.def_elem for item in nodes]
    values: dict[str, Value] = {
        _OPTIONS[one.defname]: "yes" if one.arg.boolean.boolval else "no"
        for one in options
        if one.defname in _OPTIONS
    }
    for one in options:
        if one.defname == "connectionlimit":
            values["connection limit"] = str(one.arg.integer.ival)
    return values


def _members(state: State, key: Key, nodes: Iterable[Node], *, belong: bool = True) -> None:
    for item in nodes:
        option = item.def_elem
        names = [one.role_spec.rolename for one in option.arg.list.items]
        if option.defname in ("rolemembers", "adminmembers"):
            _belongs(state, names, key.name, belong=belong)
        elif option.defname == "addroleto":
            for name in names:
                _belongs(state, [key.name], name, belong=belong)


def _belongs(state: State, members: Iterable[str], role: str, *, belong: bool) -> None:
    for member in members:
        state.change(_key(member), {f"member of {role}": "yes" if belong else "no"})


def _constant(item: Node) -> str:
    constant = item.a_const
    kind = constant.WhichOneof("val")
    if kind == "ival":
        return str(constant.ival.ival)
    if kind == "fval":
        return str(constant.fval.fval)
    return str(constant.sval.sval)
