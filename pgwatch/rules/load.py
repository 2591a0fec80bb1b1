"""Standard Prometheus rule files → groups of checked rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from pgwatch import yamlfile
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.rules.read import GroupReader, Source
from pgwatch.rules.rule import RuleGroup
from pgwatch.rules.threshold import Place, in_configuration, set_thresholds

DEFAULT_INTERVAL = timedelta(seconds=15)  # of a group that names none; Prometheus has 1m


def load_rules(
    paths: Iterable[Path],
    *,
    builtin: Path | None = None,
    disable: Sequence[str] = (),
    thresholds: Mapping[str, str] | None = None,
    also_named: Mapping[yamlfile.Path, str] = MappingProxyType({}),
    place: Place = in_configuration,
    default_interval: timedelta = DEFAULT_INTERVAL,
) -> tuple[RuleGroup, ...]:
    """Return the groups of the rule files `paths` (a folder: its *.yml and *.yaml), in order.

    `builtin` is the folder of the shipped rules, which come first and whose identities do not depend on
    where pgwatch is installed. Rules named in `disable` are left out; `thresholds` are set (see the module
    `threshold`); `also_named` are the names of rules elsewhere in the settings, by their paths. `place`
    makes a problem at a path of the settings. Raises InputError with all problems of all files.
    """
    problems: list[Problem] = []
    groups: list[RuleGroup] = []
    shipped = _files(builtin, problems) if builtin else []
    named = [(file, f"builtin/{file.name}") for file in shipped]
    named += [(file, str(file)) for path in paths for file in _files(path, problems)]
    for file, origin in dict(named).items():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(file=str(file), message=unreadable(file, error)))
            continue
        try:
            groups += parse_rules(
                text,
                file=str(file),
                origin=origin,
                default_interval=default_interval,
                proven=file in shipped,
            )
        except InputError as error:
            problems += error.problems
    if not problems:
        disabled: dict[yamlfile.Path, str] = {
            ("rules", "disable", index): name for index, name in enumerate(disable)
        }
        problems += _unknown({**disabled, **also_named}, groups, place)
        kept = _without(groups, disable)
        ready, wrong = set_thresholds(kept, thresholds or {}, place=place)
        problems += wrong
    if problems:
        raise InputError(problems)
    return ready


def parse_rules(
    text: str,
    *,
    file: str,
    origin: str = "",
    default_interval: timedelta = DEFAULT_INTERVAL,
    proven: bool = False,
) -> list[RuleGroup]:
    """Return the groups in the `text` of one rule file; an empty file has none.

    `origin` begins the rules' identities, `file` by default. The templates of a `proven` file are not
    parsed now: that needs a library which is slow to import. Raises InputError with all problems.
    """
    document = yamlfile.load(text, file=file, texts=True)
    if document.value is None:
        return []
    if not isinstance(document.value, dict):
        raise InputError([document.problem((), "expected a mapping with the key 'groups'")])
    problems = [
        document.problem((str(key),), "unknown key; a rule file has the key 'groups' only")
        for key in document.value
        if key != "groups"
    ]
    items = document.value.get("groups") or []
    if not isinstance(items, list):
        raise InputError([document.problem(("groups",), "expected a list of groups")])
    source = Source(
        document=document, lines=tuple(text.splitlines()), origin=origin or file, proven=proven
    )
    groups: dict[str, RuleGroup] = {}
    for index, item in enumerate(items):
        path: yamlfile.Path = ("groups", index)
        reader = GroupReader(source, path, default_interval)
        group = reader.read(item)
        problems += reader.problems
        if group is None or not group.name:
            continue
        if group.name in groups:
            message = f"the group name {group.name!r} is repeated in this file"
            problems.append(document.problem((*path, "name"), message))
        groups.setdefault(group.name, group)
    if problems:
        raise InputError(problems)
    return list(groups.values())


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix in (".yml", ".yaml"))
    except OSError as error:
        problems.append(Problem(file=str(path), message=unreadable(path, error)))
        return []
    if not found:
        problems.append(Problem(file=str(path), message="has no *.yml file"))
    return found


def _without(groups: Iterable[RuleGroup], disable: Sequence[str]) -> list[RuleGroup]:
    return [
        replace(group, rules=tuple(rule for rule in group.rules if rule.name not in disable))
        for group in groups
    ]


def _unknown(
    named: Mapping[yamlfile.Path, str], groups: Iterable[RuleGroup], place: Place
) -> list[Problem]:
    """Return a problem for each of `named` that no rule is called."""
    names = {rule.name for group in groups for rule in group.rules}
    problems = []
    for path, name in named.items():
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(place(path, f"there is no rule {str(name)!r}{hint}"))
    return problems
