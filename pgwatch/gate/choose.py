"""Which checks a run makes, of rules and beside them, and what to say where a name or an option fits none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pgwatch.check.extra import EXTRA_SPECS, ExtraSpec, chosen
from pgwatch.check.spec import CheckSpec, check_specs
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.gate.options import GateOptions, migration_patterns, runbook_of
from pgwatch.rules.rule import Phase, RuleGroup
from pgwatch.wiring import rule_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The checks that a run would make."""

    specs: tuple[CheckSpec, ...]  # of rules
    extra: tuple[ExtraSpec, ...]


def checks_of(inputs: Inputs | None, options: GateOptions) -> Chosen:
    """Return the checks that the gate would run; raises InputError if a name or pattern fits none."""
    return choose(rule_groups(inputs), inputs, options)


def choose(groups: Sequence[RuleGroup], inputs: Inputs | None, options: GateOptions) -> Chosen:
    """Return the checks that `options` leave of those of `groups` and of those beside the rules.

    Raises InputError if a name or pattern fits none; that nothing at all is left is up to the caller.
    """
    given = given_options(inputs, options)
    here = [spec for spec in EXTRA_SPECS if spec.needs in given]
    names = [spec.name for spec in check_specs(groups, phases=list(Phase))]
    names += [spec.name for spec in here]
    problems = [
        Problem(file="command line", path=option, message=_unknown(pattern, names))
        for option, patterns in (("--only", options.only), ("--skip", options.skip))
        for pattern in patterns
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    if problems:
        raise InputError(problems)
    return Chosen(
        specs=check_specs(
            groups,
            phases=options.phases,
            only=options.only,
            skip=options.skip,
            window=options.window,
        ),
        extra=chosen(here, options.phases, options.only, options.skip),
    )


def given_options(inputs: Inputs | None, options: GateOptions) -> frozenset[str]:
    """Return which of the options are given, or stand in the file, that bring checks of their own."""
    given = {
        "": True,
        "--migrations": bool(migration_patterns(inputs, options.migrations)),
        "--baseline": options.baseline is not None,
        "--runbook": runbook_of(inputs, options.runbook) is not None,
    }
    return frozenset(option for option, here in given.items() if here)


def _unknown(pattern: str, names: Iterable[str]) -> str:
    """Return what to say of a name or pattern that fits none of the checks `names`."""
    absent = [spec for spec in EXTRA_SPECS if fnmatchcase(spec.name, pattern)]
    if absent:
        needs = " or ".join(dict.fromkeys(spec.needs for spec in absent))
        return f"{pattern!r} is there only with {needs}"
    known = {name.lower(): name for name in (*names, *(spec.name for spec in EXTRA_SPECS))}
    close = get_close_matches(pattern.lower(), known, n=1)
    hint = f": did you mean {known[close[0]]}?" if close else ""
    return f"no check is called {pattern!r}{hint} (pgwatch check --list shows them)"


def nothing_left(groups: Sequence[RuleGroup], inputs: Inputs, options: GateOptions) -> str:
    """Return why no check is left, and which options would bring some."""
    phases, only, skip = options.phases, options.only, options.skip
    named = [name for name, given in (("--only", only), ("--skip", skip)) if given]
    verb = {0: "there is", 1: "leaves"}.get(len(named), "leave")
    of = f"{'phase' if len(phases) == 1 else 'the phases'} {', '.join(phases)}"
    message = f"{' and '.join(named)} {verb} no check of {of}".strip()
    given = given_options(inputs, options)
    absent = [spec for spec in EXTRA_SPECS if spec.needs not in given]
    by_option: dict[str, list[str]] = {}
    for spec in chosen(absent, phases, only, skip):
        by_option.setdefault(spec.needs, []).append(spec.name)
    for option, names in by_option.items():
        message += f"; {option} brings {', '.join(names)}"
    if elsewhere := _phases_named(groups, options):
        message += f"; what --only names is of phase {', '.join(elsewhere)}"
    return f"{message} (pgwatch check --list shows what there is)"


def _phases_named(groups: Sequence[RuleGroup], options: GateOptions) -> list[Phase]:
    """Return the phases, of all, in which --only finds something; none without --only."""
    if not options.only:
        return []
    of_rules = check_specs(groups, phases=list(Phase), only=options.only, skip=options.skip)
    extra = chosen(EXTRA_SPECS, list(Phase), options.only, options.skip)
    found = {spec.phase for spec in of_rules} | {spec.phase for spec in extra}
    return [phase for phase in Phase if phase in found and phase not in options.phases]
