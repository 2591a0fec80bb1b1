"""`pgwatch config init|check|show`: write a sample, report every mistake, show what is in effect."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.config.choose import DEFAULT_FILES, Inputs, find_file
from pgwatch.config.document import read_tree
from pgwatch.config.fields import resolved
from pgwatch.config.load import read
from pgwatch.config.notifications import duties_of
from pgwatch.config.overrides import routing_of
from pgwatch.config.show import shown
from pgwatch.config.targets import targets_of_settings
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.files import not_a_file
from pgwatch.notify.route import Routing
from pgwatch.rules.threshold import in_configuration

EXIT_INVALID = 2
SAMPLES = ("pgwatch.yml", "alertmanager.yml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write commented samples; never overwrites a file")
    init.add_argument(
        "--dir", type=Path, default=Path(), metavar="FOLDER", help="where to (default: here)"
    )
    init.set_defaults(action=_init)
    check = actions.add_parser("check", help="report every mistake with its file and line")
    check.set_defaults(action=_check)
    show = actions.add_parser("show", help="print the effective settings without secrets")
    show.set_defaults(action=_show)


def run(arguments: argparse.Namespace) -> int:
    """Do the chosen action; mistakes in the configuration are raised as InputError."""
    status: int = arguments.action(arguments)
    return status


def _init(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.dir
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in SAMPLES:
            sample = resources.files("pgwatch.config") / "samples" / name
            written[str(folder / name)] = _write_new(folder / name, sample.read_text("utf-8"))
    except OSError as error:
        raise PgwatchError(f"cannot write {error.filename}: {error.strerror}") from error
    if arguments.json:
        print(json.dumps({"written": [path for path, new in written.items() if new]}))
        return 0
    for path, new in written.items():
        print(f"{path}: {'written' if new else 'exists already, left as it is'}")
    return 0


def _write_new(path: Path, text: str) -> bool:
    """Write `text` to `path` if nothing is there; returns whether it did."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _check(arguments: argparse.Namespace) -> int:
    try:
        found = _found(arguments.config)
    except InputError as error:
        if not arguments.json:
            raise
        problems = [asdict(problem) for problem in error.problems]
        print(json.dumps({"ok": False, "problems": problems}))
        return EXIT_INVALID
    if arguments.json:
        print(json.dumps({"ok": True, **found}))
    else:
        for warning in found.pop("warnings"):
            print(f"warning: {warning}", file=sys.stderr)
        files = ", ".join(found.pop("files")) or "environment"
        counted = [_counted(number, name) for name, number in found.items() if number]
        print(f"{files}: OK ({', '.join(counted) or 'all defaults'})")
    return 0


def _found(config: Path | None) -> dict[str, Any]:
    """Return what the configuration holds; raises InputError with every mistake in it."""
    file = find_file(config)
    try:
        settings, tree = read(file)
    except InputError as error:
        raise InputError([*error.problems, *_wrong_routes(file)]) from error
    if not tree.files and not tree.variables:
        places = ", ".join(map(str, DEFAULT_FILES))
        message = f"there is none ({places}); name one, or `pgwatch config init` writes a sample"
        raise InputError([Problem(file="--config", message=message)])
    # Not at the top: the other actions need none of what this brings.
    from pgwatch.rules.evidence import unknown_evidence  # noqa: PLC0415 - only `config check` needs it
    from pgwatch.rules.label_values import unknown_values  # noqa: PLC0415 - only `config check` needs it
    from pgwatch.rules.reach import short_of_history  # noqa: PLC0415 - only `config check` needs it
    from pgwatch.wiring import catalog_of, rule_groups, web_security  # noqa: PLC0415 - only `config check` needs it

    inputs = Inputs(targets=targets_of_settings(settings), settings=settings, file=file, tree=tree)
    catalog, groups, routing, _ = _read_by(
        catalog_of, rule_groups, _routing, web_security, inputs=inputs
    )
    return {
        "files": [str(path) for path in tree.files],
        "targets": len(settings.targets),
        "http_probes": len(settings.http_probes),
        "queries": len(catalog.queries),
        "rules": sum(len(group.rules) for group in groups),
        "receivers": len(routing.receivers) if routing else 0,
        "ignored_findings": len(settings.ignore),
        "warnings": [
            *(routing.warnings if routing else ()),
            *short_of_history(groups, settings.retention),
            *unknown_values(groups),
            *unknown_evidence(groups, {*catalog.queries, *catalog.evidence}),
        ],
    }


def _wrong_routes(file: Path | None) -> Sequence[Problem]:
    """Return what is wrong with the alertmanager.yml that a file names which has mistakes of its own."""
    try:
        tree = read_tree(file)
    except InputError:
        return ()
    named = tree.at(("alertmanager_config",))
    # What `overrides` adds to receivers can only be known from a file without mistakes.
    if not isinstance(named, str) or tree.at(("overrides",)) or not_a_file(resolved(named)):
        return ()
    try:
        load_alertmanager(resolved(named))
    except InputError as error:
        return error.problems
    return ()


def _routing(inputs: Inputs) -> Routing | None:
    settings = inputs.settings
    if settings is None:
        return None
    place = inputs.tree.problem if inputs.tree else in_configuration
    routing = routing_of(settings, place)
    duties_of(settings.notifications, routing, place)
    return routing if settings.alertmanager_config else None


def _read_by(*readers: Callable[[Inputs], object], inputs: Inputs) -> list[Any]:
    """Return what each reader makes of `inputs`; raises one InputError with the problems of all."""
    found: list[Any] = []
    problems: list[Problem] = []
    for reader in readers:
        try:
            found.append(reader(inputs))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return found


def _counted(number: int, name: str) -> str:
    words = name.replace("_", " ")
    if number == 1:
        words = "query" if words == "queries" else words.removesuffix("s")
    return f"{number} {words}"


def _show(arguments: argparse.Namespace) -> int:
    file = find_file(arguments.config)
    settings, tree = read(file)
    values = shown(settings, tree)
    if arguments.json:
        print(json.dumps(values, default=str, ensure_ascii=False, indent=2))
    else:
        print(f"# in effect, from {file or 'defaults'} and the environment; secrets are masked")
        print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100), end="")
    return 0
