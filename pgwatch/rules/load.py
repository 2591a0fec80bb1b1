"""Standard Prometheus rule files → groups of checked rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

from pgwatch import yamlfile
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.rules.read import GroupReader, Source
from pgwatch.rules.rule import RuleGroup
from pgwatch.rules.threshold import set_thresholds

DEFAULT_INTERVAL = timedelta(seconds=15)  # of a group that names none; Prometheus has 1m


def load_rules(
    paths: Iterable[Path],
    *,
    builtin: Path | None = None,
    disable: Sequence[str] = (),
    thresholds: Mapping[str, str] | None = None,
    settings_file: str = "configuration",
    default_interval: timedelta = DEFAULT_INTERVAL,
) -> tuple[RuleGroup, ...]:
    """Return the groups of the rule files `paths` (a folder: its *.yml and *.yaml), in order.

    `builtin` is the folder of the shipped rules, which come first and whose identities do not depend on
    where pgwatch is installed. Rules named in `disable` are left out; `thresholds` are set (see the module
    `threshold`); both were written in `settings_file`. Raises InputError with all problems of all files.
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
        kept, unknown = _without(groups, disable, settings_file)
        ready, wrong = set_thresholds(kept, thresholds or {}, file=settings_file)
        problems += unknown + wrong
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


def _without(
    groups: Iterable[RuleGroup], disable: Sequence[str], settings_file: str
) -> tuple[list[RuleGroup], list[Problem]]:
    """Return `groups` without the rules that `disable` names, and the names that no rule has."""
    names: set[str] = set()
    kept = []
    for group in groups:
        names |= {rule.name for rule in group.rules}
        rules = tuple(rule for rule in group.rules if rule.name not in disable)
        kept.append(replace(group, rules=rules))
    problems = []
    for index, name in enumerate(disable):
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            message = f"there is no rule {name!r}{hint}"
            problems.append(
                Problem(file=settings_file, path=f"rules.disable[{index}]", message=message)
            )
    return kept, problems
