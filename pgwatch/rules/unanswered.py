"""Which sources have no answer, so that not finding an alert in their series proves nothing."""

from collections.abc import Callable, Iterable

from pgwatch.rules.evaluate import rule_source
from pgwatch.rules.rule import Rule
from pgwatch.samples.sample import Source


class Unanswered:
    """Knows it of queries and probes, and of the rules that write series: recorded ones, and ALERTS.

    `answered` says whether a source had an answer that stood at a time (Unix milliseconds), `watches`
    whether one is to be expected at all: nobody waits for what the configuration no longer has.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        answered: Callable[[Source, int], bool],
        watches: Callable[[Source], bool],
        previous: "Unanswered | None" = None,
    ) -> None:
        self._answered = answered
        self._watches = watches
        self._rules = frozenset(rule_source(rule) for rule in rules)
        # Of each rule since its last evaluation: whether what it wrote is no answer.
        self._without: dict[Source, bool] = {}
        self._inputs: dict[
            Source, frozenset[Source]
        ] = {}  # of recording rules, when there were any
        if previous is not None:
            kept = self._rules & previous._rules
            self._without = {i: is_so for i, is_so in previous._without.items() if i in kept}
            self._inputs = {i: sources for i, sources in previous._inputs.items() if i in kept}

    def among(self, sources: Iterable[Source], at_ms: int) -> frozenset[Source]:
        """Return those of `sources` that have no answer at `at_ms`."""
        return frozenset(source for source in sources if self._lacks(source, at_ms))

    def recorded(self, rule: Rule, sources: frozenset[Source], at_ms: int) -> None:
        """Note that recording rule `rule` was evaluated over the samples of `sources` at `at_ms`.

        Once the series of an input are stale it is none; whom the rule waited for is not forgotten.
        """
        written = rule_source(rule)
        before = self._inputs.get(written, frozenset())
        lacking = self.among(before | sources, at_ms)
        # Of those that are no input any more, nobody waits for one that answers.
        self._inputs[written] = (sources | lacking) or before
        self._without[written] = bool(lacking) or not self._inputs[written]

    def alerted(self, rule: Rule) -> None:
        """Note that the alerts of `rule` were stepped: those without data were held, so ALERTS is true."""
        self._without[rule_source(rule)] = False

    def failed(self, rule: Rule) -> None:
        """Note that `rule` wrote nothing this time."""
        self._without[rule_source(rule)] = True

    def _lacks(self, source: Source, at_ms: int) -> bool:
        if source in self._rules:
            return self._without.get(source, True)
        return self._watches(source) and not self._answered(source, at_ms)
