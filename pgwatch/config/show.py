"""The effective settings as plain values that may be shown: no secret, and it loads again."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pgwatch.config.document import Tree
from pgwatch.config.fields import ListenAddress
from pgwatch.config.schema import (
    ALL,
    HostSettings,
    HttpProbeSettings,
    Settings,
    TargetDefaults,
    TargetSettings,
)
from pgwatch.config.section import Section
from pgwatch.config.state import default_state_path
from pgwatch.config.targets import dsn_of
from pgwatch.config.text import Text
from pgwatch.secret import MASK, Secret
from pgwatch.units import format_duration
from pgwatch.yamlfile import Path as KeyPath

# Parameters of a URL that are keys to something.
_URL_SECRET = re.compile(
    r"([?&][^=&#]*(?:key|token|secret|sig|auth|pass)[^=&#]*=)[^&#]*", re.IGNORECASE
)


def shown(settings: Settings, tree: Tree) -> dict[str, Any]:
    """Return `settings` for showing: secrets masked, `${NAME}` as it was written, defaults filled in."""
    values = _section(settings, (), tree)
    values.setdefault("state", str(default_state_path()))
    return values


def _section(section: Section, path: KeyPath, tree: Tree) -> dict[str, Any]:
    values = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if value is not None:
            values[name] = _plain(value, (*path, name), tree)
    if isinstance(section, TargetDefaults):
        values["packs"] = values["packs"] or [ALL]
        if not section.databases:  # the one of the dsn
            del values["databases"]
    if isinstance(section, HttpProbeSettings) and not section.expect_status:  # any 2xx
        del values["expect_status"]
    if isinstance(section, TargetSettings) and values.get("dsn") == MASK:
        values["dsn"] = str(dsn_of(section))  # the address without the password
    if isinstance(section, TargetSettings):
        values = {key: values[key] for key in ("name", "dsn", "service") if key in values} | values
    if isinstance(section, HttpProbeSettings | HostSettings) and "url" in values:
        values["url"] = _URL_SECRET.sub(rf"\1{MASK}", values["url"])
    return values


def _plain(value: object, path: KeyPath, tree: Tree) -> Any:
    match value:
        case Section():
            return _section(value, path, tree)
        case Mapping():
            return {key: _plain(item, (*path, key), tree) for key, item in value.items()}
        case tuple():
            return [_plain(item, (*path, index), tree) for index, item in enumerate(value)]
        case bool() | int() | float() | date():
            return value
        case _:
            return _string(value, tree.at(path))


def _string(value: object, source: object) -> str:
    match value:
        case Secret():
            return _secret(value)
        case timedelta():
            return format_duration(value)
        case re.Pattern():
            return _written(value.pattern, source)
        case StrEnum() | ListenAddress() | Path():
            return str(value)
        case str():
            return _written(value, source)
    raise AssertionError(f"no way to show a {type(value).__name__}")


def _secret(secret: Secret) -> str:
    if secret.file is not None:
        return str(secret.file)
    return f"${{{secret.variable}}}" if secret.variable is not None else MASK


def _written(value: str, source: object) -> str:
    """Return `value`, as its file has it where `${NAME}` stood there; a literal `${` stays escaped."""
    return source.template if isinstance(source, Text) and source == value else value
