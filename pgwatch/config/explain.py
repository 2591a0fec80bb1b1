"""pydantic's errors in our words: what was expected, what was got, and the key that was meant."""

import re
from datetime import date
from typing import Any

from pydantic_core import ErrorDetails

from pgwatch.config.document import Tree
from pgwatch.config.nearest import nearest
from pgwatch.config.shape import section_at
from pgwatch.config.text import Text
from pgwatch.errors import Problem
from pgwatch.yamlfile import Path as KeyPath

_PLAIN_KEY = re.compile(r"[\w.:-]{1,60}", re.ASCII)
# Below these keys a value is never quoted, whatever is wrong with it.
_SECRET_KEYS = frozenset({"dsn", "password", "headers", "url"})
_KINDS = {
    "model_type": "a mapping of keys",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "date_type": "a day such as 2027-01-31",
    "date_from_datetime_parsing": "a day such as 2027-01-31",
}
_CONTAINERS = frozenset({"model_type", "dict_type", "tuple_type"})
_NAMES: tuple[tuple[Any, str], ...] = (
    (type(None), "nothing"),
    (str, "a string"),
    (bool, "true or false"),
    (int | float, "a number"),
    (date, "a date"),
    (list | tuple, "a list"),
    (dict, "a mapping"),
)


def explain(error: ErrorDetails, tree: Tree) -> Problem:
    """Return the Problem that a validation error of `tree`'s value is."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, tree)
    if error["type"] == "missing":
        return tree.problem(path[:-1], f"the key {path[-1]} is required")
    if error["type"] == "value_error":
        message = str(error["ctx"]["error"])
    else:
        expected = _KINDS.get(error["type"], error["msg"].removeprefix("Input should be "))
        got = _described(error["input"], quote=not _may_be_secret(error["type"], path))
        message = f"expected {expected}, got {got}"
    return tree.problem(path, _as_written(message, tree.at(path)))


def _unknown_key(path: KeyPath, tree: Tree) -> Problem:
    key = str(path[-1])
    if not _PLAIN_KEY.fullmatch(key):
        # Somebody may have put a DSN where a key belongs, so it is not quoted.
        return tree.problem(path[:-1], "here is a key that is not a word; expected `key: value`")
    section = section_at(path[:-1])
    known = section.model_fields if section else ()
    return tree.problem(path, f"unknown key; {nearest(key, known)}")


def _may_be_secret(kind: str, path: KeyPath) -> bool:
    """Return whether a value is better not quoted: a secret's own, or one in the place of a whole list."""
    return kind in _CONTAINERS or bool(_SECRET_KEYS.intersection(path))


def _described(value: Any, *, quote: bool) -> str:
    """Return `value` as its file has it if it may be quoted, else what kind of thing it is."""
    written = value.template if isinstance(value, Text) else value
    if not quote or not isinstance(written, str | int | float | date):
        return next((name for kind, name in _NAMES if isinstance(value, kind)), "something else")
    if isinstance(written, str):
        return "a string" if "://" in written else repr(written[:60])
    return str(written).lower() if isinstance(written, bool) else str(written)


def _as_written(message: str, value: Any) -> str:
    """Return `message` quoting what stands in the file, not what a variable made of it."""
    if isinstance(value, Text) and value and value != value.template:
        return message.replace(str(value), value.template)
    return message
