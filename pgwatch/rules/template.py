"""Templates in the labels and annotations of rules.

A template is parsed when its rule is loaded; what fails when it is expanded becomes a text that says so:
an alert with a poor annotation is better than none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pgwatch.errors import PgwatchError
from pgwatch.samples.labels import Labels

if TYPE_CHECKING:
    from pgwatch.rules.gotemplate import GoTemplate

Query = Callable[[str], Sequence[tuple[Labels, float]]]
# evaluates an expression at the rule's time: the elements of the instant vector


class TemplateError(PgwatchError):
    """A template that does not parse, or a notification's that fails."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        """`line` and `column` are counted from 1; 0 where they are not known."""
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What templates may say about this pgwatch."""

    external_url: str = ""  # where its pages are for people, without a slash at the end
    external_labels: Mapping[str, str] = field(default_factory=dict)


class RuleTemplate:
    """A parsed label or annotation of the rule `name`."""

    __slots__ = ("_parsed", "_text")

    def __init__(self, text: str, *, name: str) -> None:
        """Parse `text`; raises TemplateError, whose message has Prometheus's words where it can."""
        self._text = text
        self._parsed = _parsed(text, name) if "{{" in text else None

    def expand(
        self,
        labels: Mapping[str, str],
        value: float,
        *,
        surroundings: Surroundings,
        query: Query | None = None,
    ) -> str:
        """Return the text for the alert with `labels` and `value`.

        Never raises for what the template does: the text is then
        `<error expanding template: …>`, as Prometheus writes it.
        """
        if self._parsed is None:
            return self._text
        return self._parsed.expand(labels, value, surroundings=surroundings, query=query)


def _parsed(text: str, name: str) -> "GoTemplate":
    from pgwatch.rules.gotemplate import GoTemplate  # noqa: PLC0415 - slow to import

    return GoTemplate(text, name=name)


@lru_cache(maxsize=8192)
def rule_template(text: str, name: str) -> RuleTemplate:
    """Return the parsed template `text` of the rule `name`, parsed once; raises TemplateError."""
    return RuleTemplate(text, name=name)
