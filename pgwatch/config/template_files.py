"""Notification templates: the files of the key `templates`, and the texts of receivers that use them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Final

from pgwatch.config.alertmanager_fields import Section, texts_of
from pgwatch.config.http_settings import Tell
from pgwatch.errors import Problem
from pgwatch.files import matching
from pgwatch.notify.notification import Notification
from pgwatch.notify.template import Templates, first_error
from pgwatch.notify.trial import trial
from pgwatch.rules.template import TemplateError
from pgwatch.yamlfile import Path

_SAMPLE: Final[Notification] = trial("sample", "sample[0]", datetime(2026, 1, 1, tzinfo=UTC))


def read_templates(
    patterns: Iterable[str], folder: FilePath, problems: list[Problem], problem: Tell, warn: Tell
) -> Templates:
    """Return the templates of the files that `patterns` stand for; what does not parse is left out."""
    files: list[tuple[str, str]] = []
    for index, pattern in enumerate(patterns):
        place: Path = ("templates", index)
        whole = str(folder / FilePath(pattern).expanduser())
        paths = matching(whole)
        if not paths:
            warn(place, f"no file matches {whole}")
        for path in paths:
            try:
                content = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not UTF-8 text"
                problem(place, f"cannot read {path}: {reason}")
                continue
            if (wrong := first_error(path.name, content)) is not None:
                problems.append(_in_file(path, wrong))
            else:
                files.append((str(path), content))
    return Templates(tuple(files))


def check_texts(
    section: Section, path: Path, templates: Templates, problem: Tell, warn: Tell
) -> None:
    """Tell which texts are no templates, and which fail for a sample alert."""
    for place, text, is_secret in texts_of(section, path):
        if "{{" not in text:
            continue
        try:
            templates.check(text)
        except TemplateError as error:
            problem(place, f"not a template: {_said(error, is_secret=is_secret)}")
            continue
        try:
            templates.text(text, _SAMPLE)
        except TemplateError as error:
            message = (
                f"it fails for a sample alert ({_said(error)}); then plain words are sent instead"
            )
            warn(place, message)


def _in_file(path: FilePath, error: TemplateError) -> Problem:
    return Problem(
        file=str(path),
        line=error.line or None,
        column=error.column or None,
        message=f"not a template: {_said(error)}",
    )


def _said(error: TemplateError, *, is_secret: bool = False) -> str:
    if is_secret:  # it may be quoted
        return "it does not parse, or fails"
    return str(error).removeprefix("template: ").removeprefix("template:").removeprefix("text:")
