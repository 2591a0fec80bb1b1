"""Reading the configuration: files and environment in, checked Settings out, every error at once."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pgwatch.config.document import Tree, read_tree
from pgwatch.config.explain import explain
from pgwatch.config.fields import resolved
from pgwatch.config.nearest import nearest
from pgwatch.config.schema import ALL, Settings
from pgwatch.config.targets import dsn_of, targets_of_settings
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.files import files_below
from pgwatch.share import share
from pgwatch.yamlfile import Path as KeyPath


def load_settings(file: Path | None) -> Settings:
    """Return the settings of `file` (None: defaults), `conf.d/*.yml` beside it and the environment.

    Raises InputError with every problem found, each with its file, line and path.
    """
    return read(file)[0]


def read(file: Path | None) -> tuple[Settings, Tree]:
    """Return the settings as `load_settings` does, and the tree they were made from."""
    tree = read_tree(file)
    problems: list[Problem] = []
    settings = Settings()
    try:
        settings = Settings.model_validate(tree.value)
    except ValidationError as error:
        problems.extend(explain(detail, tree) for detail in error.errors(include_url=False))
    if isinstance(tree.value, dict):
        problems.extend(tree.problem(path, message) for path, message in _cross_checked(tree))
    # What could not be put into a value is the reason for whatever else is wrong with it.
    told = {(problem.file, problem.path) for problem in tree.problems}
    problems = [problem for problem in problems if (problem.file, problem.path) not in told]
    problems.extend(tree.problems)
    if not problems:
        problems.extend(_unusable_targets(settings, tree))
    if problems:
        raise InputError(sorted(dict.fromkeys(problems), key=_place))
    return settings, tree


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return every secret that the settings know now, for hiding them in what is logged."""
    found = set[str]()
    for target in targets_of_settings(settings):
        found |= target.dsn.secrets()
    for probe in settings.http_probes:
        for secret in (*probe.headers.values(), *probe.header_files.values()):
            found.add(secret.reveal())
    return frozenset(found)


def _place(problem: Problem) -> tuple[str, int, int, str]:
    return (problem.file, problem.line or 0, problem.column or 0, problem.path)


def _cross_checked(tree: Tree) -> Iterator[tuple[KeyPath, str]]:
    """Give what is wrong between keys. Works on the raw tree, so that it speaks beside other errors."""
    for section in ("targets", "http_probes"):
        yield from _repeated_names(tree, section)
    queries = _shipped_and_own_queries(tree)
    packs = {name.rpartition("/")[0] for name in queries}
    for index, target in enumerate(_list(tree.at(("targets",)))):
        for number, pack in enumerate(_list(tree.at(("targets", index, "packs")))):
            known = pack in packs or pack == ALL
            if isinstance(target, dict) and isinstance(pack, str) and not known:
                message = f"there is no pack {pack!r}; {nearest(pack, packs)}"
                yield ("targets", index, "packs", number), message
    intervals = tree.at(("intervals",))
    for pattern in intervals if isinstance(intervals, dict) else ():
        if not any(fnmatchcase(name, str(pattern)) for name in queries):
            yield ("intervals", pattern), f"no query matches; {nearest(str(pattern), queries)}"


def _repeated_names(tree: Tree, section: str) -> Iterator[tuple[KeyPath, str]]:
    first: dict[str, int] = {}
    for index in range(len(_list(tree.at((section,))))):
        name = tree.at((section, index, "name"))
        if not isinstance(name, str):
            continue
        if name in first:
            before = tree.problem((section, first[name], "name"), "")
            where = f"{before.file}:{before.line}" if before.line else before.file
            yield (section, index, "name"), f"the name {str(name)!r} is taken already ({where})"
        first.setdefault(name, index)


def _shipped_and_own_queries(tree: Tree) -> set[str]:
    """Return the names of all queries there are, such as `core/activity`, without reading them."""
    own = (item for item in _list(tree.at(("queries",))) if isinstance(item, str))
    folders = [share("queries"), *(resolved(folder) for folder in own)]
    return {
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders
        for path in files_below(folder, ".sql")
    }


def _unusable_targets(settings: Settings, tree: Tree) -> Iterator[Problem]:
    """Give what only all keys together, or the PG* variables, make unusable."""
    for index, target in enumerate(settings.targets):
        try:
            dsn_of(target)
        except PgwatchError as error:
            yield tree.problem(("targets", index), str(error))
            return
    names = [target.name for target in targets_of_settings(settings)]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield tree.problem(("targets", index), f"the name {name!r} is taken; give it a `name`")
    for index, probe in enumerate(settings.http_probes):
        if probe.name in names:
            message = f"a target is called {probe.name!r} too; the label `target` names both"
            yield tree.problem(("http_probes", index, "name"), message)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
