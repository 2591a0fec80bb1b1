"""A body that the configuration writes itself: a tree of templates, as Alertmanager's `payload` is one.

Source: Alertmanager 0.32, `template/template.go`, `DeepCopyWithTemplate`. What a text expands to is read as
YAML, so that it may stand for a number, a list or a whole object. Other than there it is not expanded again:
a label's value must not be a template.
"""

import math
import re
from typing import Any, Final

import yaml

from pgwatch.notify.channels.words import Words

# Plain scalars of YAML 1.2's core schema that JSON has too. YAML 1.1, PyYAML's, would make 12:30 a number.
_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}


class _Loader(yaml.SafeLoader):
    """Reads all plain scalars as texts; what refers to another place is no such text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's attribute)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; raises YAMLError where it is an alias, which could be without end."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("alias")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        """Return a quoted text as it is, and a plain one as what it stands for."""
        text = super().construct_scalar(node)
        return text if node.style else _scalar(text)


def rendered(value: Any, words: Words, default: str) -> Any:
    """Return `value` with each text expanded by `words`, and then what that is in YAML.

    `default` stands for a text that cannot be used. Raises TemplateError.
    """
    match value:
        case str():
            if words.plain and "{{" in value:
                return default
            return _inline(words(value))
        case dict():
            names = (name for name in value if isinstance(name, str))
            return {words(name, name): rendered(value[name], words, default) for name in names}
        case list() | tuple():
            return [rendered(one, words, default) for one in value]
        case _:
            return value


def _inline(text: str) -> Any:
    """Return what `text` is in YAML, `text` itself if that is nothing but a text, or no YAML."""
    try:
        loader = _Loader(text)
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return text if isinstance(found, str) else _json(found)


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {name: _json(one) for name, one in value.items() if isinstance(name, str)}
        case list():
            return [_json(one) for one in value]
        case str() | bool() | int() | float() | None:
            return value
        case _:
            return str(value)


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if not _NUMBER.match(text):
        return text
    if text.lstrip("+-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else text
