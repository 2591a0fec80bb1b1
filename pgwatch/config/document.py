"""The file, `conf.d/` beside it and the environment, put together into one tree that knows its places."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgwatch import yamlfile
from pgwatch.config.environment import read_environment
from pgwatch.config.text import interpolate
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.yamlfile import Document
from pgwatch.yamlfile import Path as KeyPath

_PASSWORDS = frozenset({"password", "password_file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What was written, all together; strings of files are `Text`."""

    main: Document  # without a file: an empty one called "environment"
    value: Any  # a mapping, unless the file holds something else
    moved: Mapping[KeyPath, tuple[Document, KeyPath]]  # path in `value` → where it was written
    variables: Mapping[KeyPath, str]  # path in `value` → the environment variable that set it
    files: tuple[Path, ...] = field(default=())  # that were read
    problems: tuple[Problem, ...] = field(default=())  # beside which the rest can still be judged

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a Problem at the place where the value of `path` was written."""
        document, place = self.main, path
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.moved:
                document, start = self.moved[path[:depth]]
                place = (*start, *path[depth:])
                break
        if document is self.main and (variable := self._variable(place)):
            return Problem(file="environment", path=variable, message=message)
        return document.problem(place, message)

    def at(self, path: KeyPath) -> Any:
        """Return the value at `path`, None if there is none."""
        value = self.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def _variable(self, place: KeyPath) -> str | None:
        lowered = tuple(part.lower() if isinstance(part, str) else part for part in place)
        for depth in range(len(lowered), 0, -1):
            if lowered[:depth] in self.variables:
                return self.variables[lowered[:depth]]
        if place in self.main.positions:
            return None
        inside = (name for path, name in self.variables.items() if path[: len(place)] == place)
        return next(inside, None) if place else None


def read_tree(file: Path | None) -> Tree:
    """Read `file` (None: only the environment counts), its `conf.d/*.yml` and the environment.

    Raises InputError with every file that cannot be read or is not YAML; smaller problems (variables
    that are not set, unknown `PGWATCH__…` names) are in the tree's `problems`.
    """
    problems: list[Problem] = []
    broken: list[Problem] = []
    main = Document(file="environment", value={}, positions={})
    extras: list[Document] = []
    paths = () if file is None else (file, *_beside(file, problems))
    for path in paths:
        try:
            document = _read(path, problems)
        except InputError as error:
            broken.extend(error.problems)
            continue
        if path == file:
            main = document
        elif foreign := _foreign_keys(document):
            problems.extend(foreign)
        else:
            extras.append(document)
    overrides, variables = dict[str, Any](), dict[KeyPath, str]()
    try:
        overrides, variables = read_environment()
    except InputError as error:
        problems.extend(error.problems)
    if broken:
        raise InputError([*broken, *problems])
    value = _over({} if main.value is None else main.value, overrides)
    moved: dict[KeyPath, tuple[Document, KeyPath]] = {}
    if isinstance(value, dict):
        value = _with_targets(value, extras, moved)
        value = _with_defaults(value, main, moved)
    return Tree(
        main=main,
        value=value,
        moved=moved,
        variables=variables,
        files=paths,
        problems=tuple(problems),
    )


def _beside(file: Path, problems: list[Problem]) -> list[Path]:
    """Return the files of `conf.d/` beside `file`, none where there is no such folder."""
    folder = file.parent / "conf.d"
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(".yml"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(Problem(file=str(folder), message=unreadable(folder, error)))
        return []


def _read(path: Path, problems: list[Problem]) -> Document:
    """Return the document in `path` with its variables put in; adds those it cannot put in to `problems`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Problem(file=str(path), message=unreadable(path, error))]) from error
    document = yamlfile.load(text, file=str(path))
    value = _interpolated(document.value, (), document, path.absolute().parent, problems)
    return Document(file=document.file, value=value, positions=document.positions)


def _interpolated(
    value: Any, path: KeyPath, document: Document, folder: Path, problems: list[Problem]
) -> Any:
    if isinstance(value, dict):
        return {
            key: _interpolated(item, (*path, str(key)), document, folder, problems)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _interpolated(item, (*path, index), document, folder, problems)
            for index, item in enumerate(value)
        ]
    if isinstance(value, str):
        try:
            return interpolate(value, os.environ, folder)
        except ValueError as error:
            problems.append(document.problem(path, str(error)))
    return value


def _foreign_keys(document: Document) -> list[Problem]:
    """Return what is wrong with a file of `conf.d/`: it holds targets and nothing else."""
    message = "a file in conf.d holds `targets:`, a list, and nothing else"
    if document.value is None:
        return []
    if not isinstance(document.value, dict):
        return [document.problem((), message)]
    problems = [document.problem((key,), message) for key in document.value if key != "targets"]
    if not isinstance(document.value.get("targets", []), list):
        problems.append(document.problem(("targets",), message))
    return problems


def _over(base: Any, top: Mapping[str, Any]) -> Any:
    """Return `base` with `top` laid over it, mapping by mapping; `base` itself if it is no mapping."""
    if not isinstance(base, dict):
        return base
    merged = dict(base)
    for key, value in top.items():
        deeper = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if deeper else value
    return merged


def _with_targets(
    value: dict[str, Any],
    extras: list[Document],
    moved: dict[KeyPath, tuple[Document, KeyPath]],
) -> dict[str, Any]:
    """Return `value` with the targets of `conf.d/` behind its own."""
    targets = value.get("targets") or []
    if not isinstance(targets, list):
        return value
    targets = list(targets)
    for document in extras:
        for index, target in enumerate((document.value or {}).get("targets") or []):
            moved[("targets", len(targets))] = (document, ("targets", index))
            targets.append(target)
    return {**value, "targets": targets} if targets else value


def _with_defaults(
    value: dict[str, Any], main: Document, moved: dict[KeyPath, tuple[Document, KeyPath]]
) -> dict[str, Any]:
    """Return `value` with what each target does not say itself filled in from `defaults`."""
    defaults, targets = value.get("defaults"), value.get("targets")
    if not isinstance(defaults, dict) or not isinstance(targets, list):
        return value
    filled = []
    for index, target in enumerate(targets):
        if not isinstance(target, dict):
            filled.append(target)
            continue
        has_password = bool(_PASSWORDS & target.keys())
        merged = dict(target)
        for key, default in defaults.items():
            if key == "labels" and isinstance(default, dict) and isinstance(target.get(key), dict):
                merged[key] = {**default, **target[key]}
                for label in default.keys() - target[key].keys():
                    moved[("targets", index, key, label)] = (main, ("defaults", key, label))
            elif key not in target and not (key in _PASSWORDS and has_password):
                merged[key] = default
                moved[("targets", index, key)] = (main, ("defaults", key))
        filled.append(merged)
    return {**value, "targets": filled}
