"""Settings from the environment: `PGWATCH__WEB__LISTEN=0.0.0.0:9432` is `web.listen`.

Two underscores separate the keys. A key that holds a list or a mapping takes YAML (or JSON):
`PGWATCH__QUERIES='[my-queries]'`. Other `PGWATCH_*` names are not ours: Kubernetes sets
`PGWATCH_SERVICE_HOST` and the like for a service called pgwatch.
"""

import os
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from pgwatch import yamlfile
from pgwatch.config.nearest import nearest
from pgwatch.config.schema import Settings
from pgwatch.config.shape import is_container, kind_at, section_at
from pgwatch.errors import InputError, Problem

PREFIX = "PGWATCH__"


class _Environment(Settings, BaseSettings):
    """The schema once more, as pydantic-settings wants it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


class _Source(EnvSettingsSource):
    """Reads lists and mappings as YAML, of which JSON is a part."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Return what a variable holds; secrets and addresses are objects of ours, but one string here."""
        if field is not None and not is_container(field.annotation):
            return value
        return yamlfile.load(value, file=field_name).value


def read_environment() -> tuple[dict[str, Any], dict[yamlfile.Path, str]]:
    """Return the values that the environment sets, nested as in a file, and `{path: variable}`.

    Raises InputError with every variable whose name or YAML is wrong; values are not judged here.
    """
    variables: dict[yamlfile.Path, str] = {}
    problems = []
    for name in sorted(os.environ):
        if not name.upper().startswith(PREFIX):
            continue
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        problem = _problem(path, os.environ[name])
        if problem:
            problems.append(Problem(file="environment", path=name, message=problem))
        else:
            variables[path] = name
    if problems:
        raise InputError(problems)
    return _Source(_Environment)(), variables


def _problem(path: tuple[str, ...], text: str) -> str | None:
    """Return what is wrong with a variable's name, or with its YAML where it holds some."""
    for depth, part in enumerate(path):
        section = section_at(path[:depth])
        parent = _variable(path[:depth])
        if section is None:
            return f"{'.'.join(path[:depth])} has no keys of its own here; set {parent} as YAML"
        if part not in section.model_fields:
            meant = nearest(part.upper(), map(str.upper, section.model_fields))
            return f"{parent} has no {part.upper()}; {meant}"
    if is_container(kind_at(path)):
        try:
            yamlfile.load(text, file="environment")
        except InputError as error:
            return error.problems[0].message
    return None


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()
