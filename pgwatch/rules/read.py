"""One group of a rule file, read strictly: every problem with its place.

Source: Prometheus 3 `model/rulefmt/rulefmt.go`, which is as strict; the messages are its own where they help.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from pgwatch.errors import Problem
from pgwatch.promql.ast import Expr
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.template import TemplateError, rule_template
from pgwatch.units import parse_duration
from pgwatch.yamlfile import Document, Path

_GROUP_KEYS = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE_KEYS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ALERT_ONLY = ("for", "keep_firing_for", "annotations")
_BLOCK = re.compile(r"\s*(?:-\s+)?expr\s*:\s*(?:[&!]\S+\s+)*\|[-+0-9]*\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A rule file: its text, its document, and the name that its rules' identities begin with."""

    document: Document
    lines: tuple[str, ...]
    origin: str
    proven: bool = False  # its templates are known to parse, so that is left until one is used


class GroupReader:
    """Reads the group at `path` and keeps the problems."""

    def __init__(self, source: Source, path: Path, default_interval: timedelta) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._path = path
        self._default_interval = default_interval

    def read(self, value: Any) -> RuleGroup | None:
        """Return the group, None if it cannot be told what it is; see `problems`."""
        if not self._mapping(self._path, value, _GROUP_KEYS):
            return None
        name = value.get("name")
        if not isinstance(name, str) or not name:
            self._problem((*self._path, "name"), "a group needs a name")
            name = ""
        labels = self._labels(self._path, value)
        limit = value.get("limit") or "0"
        if not isinstance(limit, str) or not (limit.isascii() and limit.isdigit()):
            self._problem((*self._path, "limit"), "expected a whole number, 0 for no limit")
            limit = "0"
        interval = self._duration(self._path, value, "interval") or self._default_interval
        return RuleGroup(
            name=name,
            file=self._source.document.file,
            interval=interval,
            query_offset=self._duration(self._path, value, "query_offset"),
            limit=int(limit),
            rules=tuple(self._rules(value.get("rules"), name, labels)),
        )

    def _rules(self, value: Any, group: str, labels: Mapping[str, str]) -> Iterable[Rule]:
        path: Path = (*self._path, "rules")
        if value is None:
            return
        if not isinstance(value, list):
            self._problem(path, "expected a list of rules")
            return
        seen: dict[str, int] = {}
        for index, item in enumerate(value):
            rule = self._rule((*path, index), item, group, labels, seen)
            if rule is not None:
                yield rule

    def _rule(
        self, path: Path, value: Any, group: str, below: Mapping[str, str], seen: dict[str, int]
    ) -> Rule | None:
        if not self._mapping(path, value, _RULE_KEYS):
            return None
        record, alert = (self._scalar(path, value, key) for key in ("record", "alert"))
        if bool(record) is bool(alert):
            which = "only one of" if record else "one of"
            self._problem(path, f"{which} 'record' and 'alert' must be set")
            return None
        name = record or alert
        expr = self._expr(path, value)
        labels = {**below, **self._labels(path, value)}
        annotations = self._strings(path, value, "annotations")
        hold = self._duration(path, value, "for")
        keep = self._duration(path, value, "keep_firing_for")
        if record:
            self._check_recording(path, value, name)
        elif not self._source.proven:
            self._check_templates(path, name, labels, annotations)
        if expr is None:
            return None
        seen[name] = seen.get(name, -1) + 1
        position = self._source.document.positions.get(path)
        common: dict[str, Any] = {
            "id": f"{self._source.origin};{group};{name};{seen[name]}",
            "name": name,
            "query": expr[0],
            "expr": expr[1],
            "labels": labels,
            "file": self._source.document.file,
            "line": position.line if position else 0,
        }
        if record:
            return RecordingRule(**common)
        return AlertingRule(**common, hold=hold, keep_firing_for=keep, annotations=annotations)

    def _check_recording(self, path: Path, value: Mapping[str, Any], name: str) -> None:
        for key in _ALERT_ONLY:
            if key in value:
                self._problem((*path, key), f"invalid field {key!r} in recording rule")
        if "{" in name or "}" in name:
            message = f"braces present in the recording rule name {name!r}; they belong into expr"
            self._problem((*path, "record"), message)

    def _check_templates(
        self, path: Path, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        for kind, texts in (("labels", labels), ("annotations", annotations)):
            for key, text in texts.items():
                try:
                    rule_template(text, name)
                except TemplateError as error:
                    self._problem((*path, kind, key), f"could not parse the template: {error}")

    def _expr(self, path: Path, value: Mapping[str, Any]) -> tuple[str, Expr] | None:
        text = self._scalar(path, value, "expr")
        if not text:
            self._problem(path, "field 'expr' must be set in rule")
            return None
        try:
            return text, parse(text)
        except PromqlError as error:
            self.problems.append(self._in_expr((*path, "expr"), text, error))
            return None

    def _in_expr(self, path: Path, text: str, error: PromqlError) -> Problem:
        """Return the problem at the place in the file that `error` is about, if that can be told."""
        problem = self._source.document.problem(path, f"could not parse the expression: {error}")
        key = self._source.document.positions.get(path)
        if key is None:
            return problem
        line, column = key.line, key.column
        first = self._source.lines[key.line - 1] if key.line <= len(self._source.lines) else ""
        if _BLOCK.fullmatch(first):
            line = key.line + error.line
            written = self._source.lines[line - 1] if line <= len(self._source.lines) else ""
            wanted = text.splitlines()[error.line - 1] if text else ""
            column = written.find(wanted) + error.column if wanted in written else column
        elif text and text.splitlines()[0] in first:
            column = first.index(text.splitlines()[0]) + error.column if error.line == 1 else column
        return Problem(
            file=problem.file, line=line, column=column, path=problem.path, message=problem.message
        )

    def _labels(self, path: Path, value: Mapping[str, Any]) -> dict[str, str]:
        labels = self._strings(path, value, "labels")
        if "__name__" in labels:
            self._problem((*path, "labels", "__name__"), "a rule may not set the label '__name__'")
        return labels

    def _strings(self, path: Path, value: Mapping[str, Any], key: str) -> dict[str, str]:
        found = value.get(key)
        if found is None:
            return {}
        if not isinstance(found, dict):
            self._problem((*path, key), "expected a mapping of names to texts")
            return {}
        texts: dict[str, str] = {}
        for name, item in found.items():
            if not isinstance(item, str | None):
                self._problem((*path, key, name), "expected a text")
            elif not name:
                self._problem((*path, key), "a name may not be empty")
            else:
                texts[name] = item or ""
        return texts

    def _scalar(self, path: Path, value: Mapping[str, Any], key: str) -> str:
        """Return the text at `key`, "" if there is none."""
        found = value.get(key)
        if not isinstance(found, str | None):
            self._problem((*path, key), "expected a text")
            return ""
        return found or ""

    def _duration(self, path: Path, value: Mapping[str, Any], key: str) -> timedelta:
        try:
            return parse_duration(self._scalar(path, value, key) or "0")
        except ValueError as error:
            self._problem((*path, key), str(error))
            return timedelta(0)

    def _mapping(self, path: Path, value: Any, known: tuple[str, ...]) -> bool:
        if not isinstance(value, dict):
            self._problem(path, "expected a mapping")
            return False
        for key in value:
            if key not in known:
                close = get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                self._problem((*path, str(key)), f"unknown key; {hint}")
        return True

    def _problem(self, path: Path, message: str) -> None:
        self.problems.append(self._source.document.problem(path, message))
