"""The kinds of values that `pgwatch.yml` holds, each from the string a user writes.

Strings of a file arrive as `Text` (they know their file's folder and what stood there before
interpolation), those of the environment as plain strings; validators here take both.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

from pgwatch.config.targets import service_dsn
from pgwatch.config.text import Text
from pgwatch.errors import PgwatchError
from pgwatch.files import locked_folder, not_a_file, not_a_folder, unreadable
from pgwatch.secret import MASK, Secret
from pgwatch.targets.dsn import Dsn
from pgwatch.units import parse_duration

# Prometheus: https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PATH_PART = re.compile(r"[\w.~-]+", re.ASCII)  # which nobody encodes: RFC 3986, 2.3
_RESERVED_LABELS = frozenset({"target", "instance", "job"})  # pgwatch sets these itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where the web server listens."""

    host: str  # "" is every address of this machine
    port: int

    def __str__(self) -> str:
        """Return `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected {expected}")  # noqa: TRY004  # pydantic passes TypeErrors through
    return value


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value != 0:
        raise ValueError(f"a duration needs a unit: write {value:g}s or {value:g}ms")
    return parse_duration(str(value) if value == 0 else _text(value, "a duration such as 30s"))


def _share(value: object) -> float:
    expected = "expected a percentage between 0% and 100%, such as 30%"
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value))
    if match is None or not 0 < float(match[1]) < 100:
        raise ValueError(expected)
    return float(match[1]) / 100


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:g}%"


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0s")
    return duration


def resolved(value: str) -> Path:
    """Return the path that `value` writes: relative to its file's folder, `~` expanded, absolute."""
    path = Path(value).expanduser()
    if isinstance(value, Text):
        path = value.folder / path
    return path.absolute()


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    text = _text(value, "a path")
    if not text:
        raise ValueError("expected a path, got an empty string")
    if "://" in text:
        raise ValueError("expected a path of a file on this machine, got a URL")
    return resolved(text)


def _existing_file(path: Path) -> Path:
    if problem := not_a_file(path):
        raise ValueError(problem)
    return path


def _existing_folder(path: Path) -> Path:
    if problem := not_a_folder(path):
        raise ValueError(problem)
    return path


def _place_for_a_file(path: Path) -> Path:
    with suppress(PermissionError):  # of us; it may be another user who writes there
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it, such as {path}/pgwatch.db")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is not a regular file")
        for folder in path.parents:
            if folder.is_file():
                raise ValueError(f"{folder} is a file, so that {path} cannot be in it")
    return path


def _matching(pattern: Path) -> Path:
    _not_locked(pattern)
    if not matches(pattern):
        raise ValueError(f"no file matches {pattern}")
    return pattern


def _standing_for_something(pattern: Path) -> Path:
    _not_locked(pattern)
    anchor = Path(pattern.anchor)
    if next(anchor.glob(str(pattern.relative_to(anchor))), None) is None:
        raise ValueError(f"no file or folder matches {pattern}")
    return pattern


def _not_locked(pattern: Path) -> None:
    if folder := locked_folder(pattern):
        raise ValueError(unreadable(folder, PermissionError()))


def matches(pattern: Path) -> tuple[Path, ...]:
    """Return the files that an absolute path with `*`, `?`, `[…]` or `**` stands for, sorted."""
    found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    return tuple(sorted(path for path in found if not not_a_file(path)))


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    text = _text(value, "a string")
    if isinstance(value, Text) and value.variable:
        return Secret(variable=value.variable)
    return Secret(value=str(text))


def _secret_file(path: Path) -> Secret:
    secret = Secret(file=_existing_file(path))
    try:
        secret.reveal()
    except PgwatchError as error:
        raise ValueError(str(error)) from error
    return secret


def _dsn(value: object) -> Secret:
    secret = _secret(value)
    try:
        Dsn.parse(str(_text(value, "a string")))
    except PgwatchError as error:
        # Not chained: nothing that the driver said about a password may travel with it.
        raise ValueError(str(error)) from None
    return secret


def _service(name: str) -> str:
    try:
        Dsn.parse(service_dsn(name))
    except PgwatchError as error:
        raise ValueError(str(error)) from None
    return name


def _label_name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(
            "not a label name: letters, digits and _, not beginning with a digit or with __"
        )
    return name


def _own_label_name(name: str) -> str:
    if name in _RESERVED_LABELS:
        raise ValueError(f"the label {name} is set by pgwatch itself; choose another name")
    return name


def _scalar(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}"
    return str(_text(value, "a number, or a quantity such as 500ms or 80%"))


def _regex(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(_text(value, "a regular expression"))
    except re.error as error:
        raise ValueError(f"not a regular expression: {error.msg} at {error.pos}") from error


def _listen(value: object) -> ListenAddress:
    if isinstance(value, ListenAddress):
        return value
    expected = "expected host:port such as 127.0.0.1:9432 or [::1]:9432"
    host, colon, port = _text(value, "host:port").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(expected)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{expected}: an IPv6 address stands in brackets")
    return ListenAddress(host=host, port=int(port))


def _http_url(text: str) -> str:
    try:
        url = urlsplit(text)
        _ = url.port  # raises on a bad one
    except ValueError:
        raise ValueError("not a URL: its host or port cannot be read") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("expected a URL such as http://localhost:5000/health")
    if "@" in url.netloc:
        raise ValueError(
            "a URL here must not hold a user or password, because it is shown; "
            "an HTTP probe has headers: {Authorization: …} or header_files for them"
        )
    return text


def _external_url(text: str) -> str:
    url = urlsplit(_http_url(text))
    if url.query or url.fragment:
        raise ValueError("expected a URL without ? and #, such as https://pgwatch.example.org")
    try:
        _route_prefix(url.path)  # which it is, unless another is said
    except ValueError as error:
        raise ValueError(f"in its path: {error}") from None
    return text.rstrip("/")


def _route_prefix(text: str) -> str:
    parts = text.strip("/").split("/")
    if parts != [""] and not all(_PATH_PART.fullmatch(one) and one.strip(".") for one in parts):
        raise ValueError("expected a path such as /pgwatch, of letters, digits, -, _, . and ~")
    return "/" + "/".join(parts)


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
FilePath = Annotated[Path, BeforeValidator(_path)]
NewFile = Annotated[FilePath, AfterValidator(_place_for_a_file)]  # it may be there already
ExistingFile = Annotated[FilePath, AfterValidator(_existing_file)]
ExistingFolder = Annotated[FilePath, AfterValidator(_existing_folder)]
FilePattern = Annotated[FilePath, AfterValidator(_matching)]
FileOrFolderPattern = Annotated[FilePath, AfterValidator(_standing_for_something)]
_masked = PlainSerializer(lambda _: MASK, return_type=str)
SecretValue = Annotated[Secret, PlainValidator(_secret), _masked]
SecretFile = Annotated[Secret, PlainValidator(lambda value: _secret_file(_path(value))), _masked]
DsnText = Annotated[Secret, PlainValidator(_dsn), _masked]  # the text, which may hold a password
ServiceName = Annotated[str, AfterValidator(_service)]
LabelName = Annotated[str, AfterValidator(_label_name)]
OwnLabelName = Annotated[LabelName, AfterValidator(_own_label_name)]
Quantity = Annotated[str, BeforeValidator(_scalar)]
Share = Annotated[float, PlainValidator(_share), PlainSerializer(_percent)]
Regex = Annotated[re.Pattern[str], PlainValidator(_regex)]
Listen = Annotated[ListenAddress, PlainValidator(_listen)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
ExternalUrl = Annotated[str, AfterValidator(_external_url)]
RoutePrefix = Annotated[str, AfterValidator(_route_prefix)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
