"""A dictionary that can say what it was before, and finds its values by what they belong to. Pure."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Self

GONE: Any = object()  # in the place of a value: there was none
Belongs = Callable[[Any], tuple[Hashable, ...]]
Change = tuple["Ledger", Hashable, Any]  # where, the key, what stood there


class Ledger(dict[Any, Any]):
    """A dict; `journal` takes what each change puts out, `belongs` tells a value's groups."""

    def __init__(self, items: Iterable[Any] = (), belongs: Belongs | None = None) -> None:
        super().__init__(items)
        self.journal: list[Any] | None = None
        self.belongs = belongs
        self._groups: dict[Hashable, dict[Hashable, None]] = {}
        if belongs is not None:
            for key, value in self.items():
                self._join(key, belongs(value))

    def group(self, group: Hashable) -> list[Any]:
        """Return the values of a group."""
        return [self[key] for key in self._groups.get(group, ())]

    def restore(self, key: Hashable, old: Any) -> None:
        """Put back what a change put out, without noting it."""
        journal, self.journal = self.journal, None
        if old is not GONE:
            self[key] = old
        elif key in self:
            del self[key]
        self.journal = journal

    def __setitem__(self, key: Hashable, value: Any) -> None:
        old = self.get(key, GONE)
        self._note(key, old)
        super().__setitem__(key, value)
        if self.belongs is not None:
            after = self.belongs(value)
            before = self.belongs(old) if old is not GONE else ()
            if after != before:
                self._leave(key, before)
                self._join(key, after)

    def __delitem__(self, key: Hashable) -> None:
        old = self.get(key, GONE)
        super().__delitem__(key)
        self._note(key, old)
        if self.belongs is not None:
            self._leave(key, self.belongs(old))

    def pop(self, key: Hashable, *default: Any) -> Any:
        """Remove a key and return its value, as `dict.pop` does."""
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key, which is `default` if it had none."""
        if key not in self:
            self[key] = default
        return self[key]

    def _note(self, key: Hashable, old: Any) -> None:
        if self.journal is not None:
            self.journal.append((self, key, old))

    def _join(self, key: Hashable, groups: tuple[Hashable, ...]) -> None:
        for one in groups:
            self._groups.setdefault(one, {})[key] = None

    def _leave(self, key: Hashable, groups: tuple[Hashable, ...]) -> None:
        for one in groups:
            self._groups.get(one, {}).pop(key, None)


@dataclass(slots=True, kw_only=True)
class Ledgers:
    """An object, some of whose fields are ledgers, that can go back to where it was."""

    journal: list[Any] = field(default_factory=list)  # what changes put out since `watch`
    watched: bool = False

    def copy(self) -> Self:
        """Return one that may go another way."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return type(self)(**values | {"journal": [], "watched": False})

    def watch(self, *, anew: bool = False) -> int:
        """Note what changes from now on; returns the point to which `undo` comes back."""
        if anew:
            self.journal.clear()
        if not self.watched:
            self.watched = True
            for one in self._ledgers().values():
                one.journal = self.journal
        self.journal.append((None, "", {name: getattr(self, name) for name in self._plain()}))
        return len(self.journal) - 1

    def undo(self, point: int) -> None:
        """Be as at `point`."""
        while len(self.journal) > point:
            ledger, key, old = self.journal.pop()
            if ledger is not None:
                ledger.restore(key, old)
                continue
            for name, value in old.items():
                setattr(self, name, value)

    def as_before(self) -> Self:
        """Return a scene as this one was at the first point of `watch`."""
        before = self.copy()
        places = {id(ledger): name for name, ledger in self._ledgers().items()}
        before.journal = [
            (getattr(before, places[id(ledger)]) if ledger is not None else None, key, old)
            for ledger, key, old in self.journal
        ]
        before.undo(0)
        return before

    def _ledgers(self) -> dict[str, Ledger]:
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one for name, one in found.items() if isinstance(one, Ledger)}

    def _plain(self) -> list[str]:
        taken = {"journal", "watched", *self._ledgers()}
        return [one.name for one in fields(self) if one.name not in taken]
