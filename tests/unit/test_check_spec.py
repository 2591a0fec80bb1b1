"""Which checks a run has, by phase and name, and what each of them is."""

import pytest

from pgwatch.check.spec import CheckSpec, check_specs
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import Phase, RuleGroup, Severity


def groups_of(*rules: str) -> tuple[RuleGroup, ...]:
    return tuple(parse_rules(f"groups: [{{name: g, rules: [{', '.join(rules)}]}}]", file="f"))


NAMES = (
    "{alert: A, expr: m, labels: {phase: structure}}",
    "{alert: AB, expr: m}",
    "{alert: B, expr: m, labels: {phase: nonsense}}",
    "{alert: A, expr: 'rate(m[5m])', labels: {severity: critical}}",
)


@pytest.mark.parametrize(
    ("phases", "only", "skip", "expected"),
    [
        (list(Phase), [], [], ["A", "AB", "B"]),
        ([Phase.STRUCTURE], [], [], ["A"]),
        ([Phase.POST], [], [], ["AB", "B"]),  # the default, also of an unknown phase
        (list(Phase), ["A"], [], ["A"]),
        (list(Phase), ["A*"], [], ["A", "AB"]),
        (list(Phase), ["A*"], ["AB"], ["A"]),
        (list(Phase), [], ["?"], ["AB"]),
        ([Phase.STRUCTURE], ["B"], [], []),
    ],
)
def test_choosing_checks(
    phases: list[Phase], only: list[str], skip: list[str], expected: list[str]
) -> None:
    specs = check_specs(groups_of(*NAMES), phases=phases, only=only, skip=skip)
    assert [spec.name for spec in specs] == expected


def test_a_check_has_the_gravest_severity_and_needs_history_only_if_all_its_rules_do() -> None:
    def spec_of(*rules: str) -> CheckSpec:
        (spec,) = check_specs(groups_of(*rules), phases=list(Phase))
        return spec

    assert spec_of(NAMES[0], NAMES[3]).severity is Severity.CRITICAL
    assert not spec_of(NAMES[0], NAMES[3]).needs_history
    assert spec_of(NAMES[3]).needs_history
    assert spec_of("{record: r, expr: 'rate(m[5m])'}", "{alert: A, expr: r > 0}").needs_history
