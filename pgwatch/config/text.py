"""Strings of a configuration file that know where they stand, and `${VARIABLE}` inside them."""

import re
from collections.abc import Mapping
from pathlib import Path

# ${NAME}, ${NAME:-default}, and $${ for a literal ${; a lone $ is an ordinary character.
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Text(str):
    """A string from a file: what it says after interpolation, what was written, and the file's folder."""

    __slots__ = ("folder", "template")
    template: str
    folder: Path

    @property
    def variable(self) -> str | None:
        """The variable's name, if `${NAME}` is all that was written."""
        match = _REFERENCE.fullmatch(self.template)
        return match["name"] if match and match["default"] is None else None


def interpolate(template: str, environment: Mapping[str, str], folder: Path) -> Text:
    """Return `template` with its references replaced from `environment`.

    An empty variable takes the default, as in a shell. Raises ValueError, with a message for the
    user, on a variable that is not set and has no default, and on a malformed reference.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            return "${"
        if not _NAME.fullmatch(name):
            raise ValueError(
                # Not quoted: it may be part of a password that happens to hold ${.
                "a ${…} here does not name an environment variable; "
                "write ${NAME} or ${NAME:-default}, and $${ for a literal ${"
            )
        if default is not None:
            return environment.get(name) or default
        if name not in environment:
            raise ValueError(
                f"environment variable {name} is not set; set it, or give a default: ${{{name}:-…}}"
            )
        return environment[name]

    if "${" in _REFERENCE.sub("", template):
        raise ValueError("${ without its }; write $${ for a literal ${")
    text = Text(_REFERENCE.sub(value, template))
    text.template, text.folder = template, folder
    return text
