"""Settings and options → one run of the gate: the assembler of `pgwatch check`. Nothing here waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pgwatch.baseline.file import read as read_baseline
from pgwatch.check.extra import EXTRA_SPECS, ExtraSpec, chosen
from pgwatch.check.liveness import LIVENESS
from pgwatch.check.run import CheckPlan, Subject
from pgwatch.check.spec import CheckSpec, Producers, asks_history, check_specs
from pgwatch.config.choose import Inputs
from pgwatch.errors import InputError, Problem
from pgwatch.rooms import GateOptions, extra_checks, given_options, news
from pgwatch.rules.rule import Phase, RuleGroup
from pgwatch.units import format_duration
from pgwatch.wiring import (
    accepted_findings,
    catalog_of,
    host_probes,
    http_probes,
    producers_of,
    queries_of,
    refuse_equal_names,
    rule_groups,
    surroundings_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The checks that a run would make."""

    specs: tuple[CheckSpec, ...]  # of rules
    extra: tuple[ExtraSpec, ...]


def checks_of(inputs: Inputs | None, options: GateOptions) -> Chosen:
    """Return the checks that the gate would run; raises InputError if a name or pattern fits none."""
    return _choose(rule_groups(inputs), inputs, options)


def check_plan(inputs: Inputs, options: GateOptions) -> CheckPlan:
    """Return the plan of one run of the gate: only the queries that feed a chosen check are run.

    Raises InputError if no check is left: a gate that looks at nothing must not say yes.
    """
    catalog, groups = catalog_of(inputs), rule_groups(inputs)
    _refuse_long_window(options)
    http = http_probes(inputs.settings, at_most=options.timeout)
    refuse_equal_names([*inputs.targets, *http])
    producers = producers_of(catalog, groups, http, window=options.window)
    found = _choose(groups, inputs, options)
    if not found.specs and not found.extra:
        raise InputError([Problem(file="command line", message=_nothing_left(inputs, options))])
    baseline = read_baseline(options.baseline) if options.baseline else None
    names = tuple(spec.name for spec in found.extra)
    if options.probe_writes and LIVENESS not in names:
        message = f"it belongs to {LIVENESS}: name --migrations, and do not leave that check out"
        raise InputError([Problem(file="command line", path="--probe-writes", message=message)])
    extra = extra_checks(inputs, options, names, baseline)
    wanted = frozenset[str]().union(
        *(
            producers.of(rule)
            for spec in found.specs
            if not spec.needs_history
            for rule in spec.rules
        )
    )
    subjects = [
        Subject(
            target=target,
            queries=[query for query in queries_of(target, catalog) if query.name in wanted],
            probes=[probe for probe in host_probes(target) if probe.source.query in wanted],
        )
        for target in inputs.targets
    ]
    return CheckPlan(
        subjects=subjects,
        http_probes=[probe for probe in http if probe.source.query in wanted],
        specs=found.specs,
        groups=groups,
        producers=producers,
        accepted=accepted_findings(inputs),
        timeout=options.timeout,
        strict=options.strict,
        fail_on_warn=options.fail_on_warn,
        surroundings=surroundings_of(inputs.settings),
        extra=extra,
        news=news(inputs, baseline),
        window=options.window,
        twice=_twice(found.specs, producers) if options.window else frozenset(),
    )


def _twice(specs: Sequence[CheckSpec], producers: Producers) -> frozenset[str]:
    """Return the queries and probes that feed a rule which is judged over the window."""
    rules = (rule for spec in specs for rule in spec.rules)
    over = [
        producers.of(rule)
        for rule in rules
        if asks_history(rule, producers.historic) and not producers.lacks(rule)
    ]
    return frozenset[str]().union(*over)


def _refuse_long_window(options: GateOptions) -> None:
    if options.window is not None and options.window >= options.timeout:
        window, timeout = format_duration(options.window), format_duration(options.timeout)
        message = (
            f"{window} does not fit into the whole run's --timeout {timeout}; name a longer one"
        )
        raise InputError([Problem(file="command line", path="--window", message=message)])


def _choose(groups: Sequence[RuleGroup], inputs: Inputs | None, options: GateOptions) -> Chosen:
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


def _nothing_left(inputs: Inputs, options: GateOptions) -> str:
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
    return f"{message} (pgwatch check --list shows what there is)"
