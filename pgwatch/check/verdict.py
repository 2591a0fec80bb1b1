"""What a check may answer, how verdicts add up, and the exit code that follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pgwatch.rules.rule import Phase, Severity


class Verdict(StrEnum):
    """The answer of one check, or of the whole run."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"  # could not tell: denied, blocked, failed; never the same as pass
    SKIPPED = "skipped"  # does not apply here, or needs what one run does not have


# The first that occurs decides; `skipped` never does.
_WEIGHT = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)

EXIT_PASS, EXIT_NO, EXIT_USAGE, EXIT_UNMEASURED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found wrong."""

    summary: str
    description: str = ""
    fix: str = ""  # the command or SQL that cures it
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    object: str = ""  # the database object it is about, such as `public.users.users_email_key`
    new: bool | None = None  # since the baseline; None without one
    severity: Severity | None = None  # None: the check's


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check on one target."""

    name: str
    target: str
    database: str  # empty when the target watches several
    phase: Phase
    severity: Severity
    verdict: Verdict
    reason: str = ""  # why it is unknown or skipped
    cure: str = ""  # the SQL that would let it be told
    findings: Sequence[Finding] = ()
    sources: Sequence[str] = ()  # names of the queries and probes that fed it
    duration_seconds: float = 0.0
    doubted: bool = False  # not all that it reads could be read: without a finding it is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReport:
    """What a run learned about one database of a target; `error` says why it could not look there."""

    name: str
    database: str
    role: str = ""
    server_version: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one run of the gate."""

    targets: Sequence[TargetReport]
    checks: Sequence[CheckResult]
    started: datetime  # aware UTC
    duration_seconds: float
    verdict: Verdict
    exit_code: int
    strict: bool = False
    fail_on_warn: bool = False

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many checks gave each verdict, all five present."""
        return {verdict: sum(c.verdict is verdict for c in self.checks) for verdict in Verdict}

    def stops(self, check: CheckResult) -> bool:
        """Return whether `check` is among the reasons why the exit status is not 0."""
        match check.verdict:
            case Verdict.FAIL:
                return True
            case Verdict.WARN:
                return self.fail_on_warn
            case Verdict.UNKNOWN:
                alone = self.verdict is Verdict.UNKNOWN and not any(map(self._counts, self.checks))
                return self._counts(check) or alone
            case Verdict.PASS | Verdict.SKIPPED:
                return False

    def _counts(self, check: CheckResult) -> bool:
        return check.verdict is Verdict.UNKNOWN and counted(check, strict=self.strict)


def of_findings(severity: Severity, *, found: bool) -> Verdict:
    """Return the verdict of a check that could be told; `info` never says no."""
    if not found or severity is Severity.INFO:
        return Verdict.PASS
    return Verdict.FAIL if severity is Severity.CRITICAL else Verdict.WARN


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that decides: fail > unknown > warn > pass; all skipped (or none): skipped."""
    present = set(verdicts)
    return next((verdict for verdict in _WEIGHT if verdict in present), Verdict.SKIPPED)


def counted(check: CheckResult, *, strict: bool) -> bool:
    """Return whether the verdict of `check` has a say in that of the run."""
    return check.verdict is not Verdict.UNKNOWN or strict or check.severity is Severity.CRITICAL


def whole(checks: Iterable[CheckResult], *, strict: bool) -> Verdict:
    """Return the verdict of a run; `unknown` counts for critical checks only, for all if `strict`.

    Where nothing applied the answer is `skipped`; where the only answers were "could not tell" it is
    `unknown` even without a critical check among them: no data is not a pass.
    """
    checks = tuple(checks)
    verdict = worst(check.verdict for check in checks if counted(check, strict=strict))
    return verdict if verdict is not Verdict.SKIPPED else worst(check.verdict for check in checks)


def exit_code(verdict: Verdict, *, fail_on_warn: bool) -> int:
    """Return the exit status of a run: 0 pass, 1 the gate says no, 3 could not measure."""
    if verdict is Verdict.FAIL or (verdict is Verdict.WARN and fail_on_warn):
        return EXIT_NO
    return EXIT_UNMEASURED if verdict is Verdict.UNKNOWN else EXIT_PASS
