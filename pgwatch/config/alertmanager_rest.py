"""What of an alertmanager.yml can still be judged when some of its values have the wrong shape."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pgwatch.yamlfile import Path

# Whose meaning hangs on what: a receiver without a valid `global` would seem to lack its address.
_LEANS_ON = {
    "receivers": ("global", "templates"),
    "route": ("global", "time_intervals", "mute_time_intervals"),
}
_SECTIONS = ("global", "inhibit_rules", "receivers", "route", "templates", "time_intervals")
_KEY_OF_A_RECEIVER = 3  # receivers, its number, the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A file without the keys in which something is wrong."""

    value: Any
    removed: frozenset[Path] = frozenset()  # those keys

    def may_follow(self, path: Path) -> bool:
        """Return whether a problem at `path` may only come from what was removed, and says nothing new."""
        section = str(path[0]) if path else ""
        return any(self._may_follow_from(one, path, section) for one in self.removed)

    def _may_follow_from(self, removed: Path, path: Path, section: str) -> bool:
        beside = removed[:-1]
        if not beside and removed[0] not in _SECTIONS:
            return True  # perhaps one of them, misspelt
        if removed[0] in _LEANS_ON.get(section, ()):
            return True
        if section == "route" and _hides_a_receiver(removed):
            return True
        # A missing key is told at its mapping, or where it should be; a written one is wrong by itself.
        is_beside = removed[0] == section and path[: len(beside)] == beside
        return is_beside and not _is_written(self.value, path)


def without(value: Any, wrong: Iterable[Path]) -> Rest:
    """Return `value` without the keys in which something is `wrong`.

    Of a list that has a wrong entry nothing is left: the places of the others would not be theirs.
    """
    rest = _copy(value)
    removed = frozenset(path for one in wrong if (path := _remove(rest, one)))
    return Rest(value=rest, removed=removed)


def _hides_a_receiver(removed: Path) -> bool:
    whole = removed == ("receivers",)
    return whole or (
        removed[0] == "receivers"
        and len(removed) == _KEY_OF_A_RECEIVER
        and not str(removed[-1]).endswith("_configs")  # then it may be its name, misspelt
    )


def _is_written(value: Any, path: Path) -> bool:
    """Return whether something other than a mapping stands at `path`."""
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return False
    return not isinstance(value, dict)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _remove(value: Any, path: Path) -> Path:
    """Remove the deepest key on the way of `path`, and return its own path; () if there is none."""
    owner: dict[Any, Any] | None = None
    removed: Path = ()
    for length, part in enumerate(path, start=1):
        if isinstance(value, dict) and part in value:
            owner, removed = value, path[:length]
        elif not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            break
        value = value[part]
    if owner is not None:
        del owner[removed[-1]]
    return removed
