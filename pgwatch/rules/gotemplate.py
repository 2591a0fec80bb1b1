"""The seam over the Go-template library, which takes longer to import than most runs of the gate need it.

Source: Prometheus 3 `template/template.go`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import gotpl
from gotpl.runtime.gofmt import sprintf

from pgwatch.rules.functions import FUNCTIONS, to_number
from pgwatch.rules.gotime import METHODS, GoTime
from pgwatch.rules.template import Query, Surroundings, TemplateError
from pgwatch.samples.labels import Labels

_VARIABLES = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)  # written before each template, as Prometheus does
_BUDGET = gotpl.ExecutionBudget(
    max_output_chars=65_536, max_iterations=10_000, max_template_depth=50, max_function_calls=1_000
)
# Go's own functions (text/template).
BUILTINS = frozenset(
    {"and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or"}
) | {"print", "println", "slice", "urlquery"}


_WIDE = re.compile(r"%[-+# 0]*(?:\d{4,}|\*|\d*\.(?:\d{4,}|\*))")


def _refuse(_: str) -> Sequence[tuple[Labels, float]]:
    raise ValueError("query() is not available here")


_query: ContextVar[Query] = ContextVar("query", default=_refuse)
_surroundings: ContextVar[Surroundings] = ContextVar("surroundings")


def _query_result(expression: str) -> list[dict[str, Any]]:
    return [
        {"Labels": _string_map(labels), "Value": float(value)}
        for labels, value in _query.get()(expression)
    ]


def _render(context: gotpl.RenderContext, name: str, data: object) -> str:
    return context.render_template(name, data)


def printf(layout: str, *values: object) -> str:
    """Format as Go's Sprintf, but without the widths that would take gigabytes."""
    if _WIDE.search(layout):
        raise ValueError("printf: a width or precision may have 3 digits at most, and no *")
    return str(sprintf(layout, *values))


def _string_map(values: Mapping[str, str]) -> gotpl.TypedMap[str, str]:
    """Return `values` so that a missing key is the empty text, as in Go."""
    return gotpl.TypedMap(dict(values), "", "string", "string")


_FUNCTIONS: dict[str, Callable[..., object]] = {
    **FUNCTIONS,
    "externalURL": lambda: _surroundings.get().external_url,
    "pathPrefix": lambda: urlsplit(_surroundings.get().external_url).path,
    "printf": printf,
    "query": _query_result,
    "tmpl": gotpl.ContextFunction(sync=_render, capabilities=frozenset({"render"})),
    "toTime": lambda value: GoTime(datetime.fromtimestamp(to_number(value), UTC)),
}
_ENVIRONMENT = gotpl.Environment(
    functions=_FUNCTIONS,
    missing_key="zero",
    sandbox=gotpl.SandboxPolicy(
        allow_functions=[*_FUNCTIONS, *BUILTINS],
        allow_methods=METHODS,
        allow_context_capabilities=["render"],
        max_template_chars=65_536,
        default_budget=_BUDGET,
    ),
)


class GoTemplate:
    """A parsed template of the rule `name`."""

    __slots__ = ("_name", "_template")

    def __init__(self, text: str, *, name: str) -> None:
        """Parse `text`; raises TemplateError, whose message has Prometheus's words where it can."""
        self._name = f"__alert_{name}"
        try:
            self._template = _ENVIRONMENT.from_string(_VARIABLES + text, name=self._name)
        except gotpl.TemplateSyntaxError as error:
            line, at = error.line, error.column - (len(_VARIABLES) if error.line == 1 else 0)
            message = str(error).split(": ", 1)[-1]
            raise TemplateError(f"template: {self._name}:{line}:{at}: {message}") from error
        except gotpl.TemplateError as error:
            raise TemplateError(str(error)) from error

    def expand(
        self,
        labels: Mapping[str, str],
        value: float,
        *,
        surroundings: Surroundings,
        query: Query | None,
    ) -> str:
        """Return the text, or `<error expanding template: …>`; without `query` its function fails."""
        data = {
            "Labels": _string_map(labels),
            "ExternalLabels": _string_map(surroundings.external_labels),
            "ExternalURL": surroundings.external_url,
            "Value": float(value),
        }
        tokens = (_query.set(query or _refuse), _surroundings.set(surroundings))
        try:
            return self._template.render(data)
        except gotpl.TemplateError as error:
            message = f"error executing template {self._name}: {error}"
            return f"<error expanding template: {message}>"
        finally:
            _query.reset(tokens[0])
            _surroundings.reset(tokens[1])
