"""The HTTP API of a running pgwatch (or Prometheus), for commands that ask it."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, PgwatchError, Problem

if TYPE_CHECKING:
    import requests


class UnansweredError(PgwatchError):
    """Nothing answers at the address."""


_LOGIN = ("PGWATCH_WEB_USER", "PGWATCH_WEB_PASSWORD")  # the variables of who asks
_TIMEOUT = 40  # seconds; the server gives up after 30
_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - an address to ask


def add_url_option(parser: argparse.ArgumentParser, *, who: str = "pgwatch") -> None:
    """Add `--url`, where `who` can be asked."""
    parser.add_argument(
        "--url",
        metavar="URL",
        help=f"where {who} answers (default: web.listen of the configuration)",
    )


class ApiClient:
    """Asks one server; every failure is a PgwatchError."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Take the address from `--url`, else from the configuration; who asks, from either's environment."""
        given = _checked(arguments.url) if arguments.url else _configured(arguments)
        self.url, self._login = _without_login(given)

    def ask(self, path: str, **form: str) -> Any:
        """Return the whole answer to a POST to `/api/v1/PATH`: `data`, `warnings` and `infos`."""
        return self._answer("POST", path, data=form)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the whole answer to a GET of `/api/v1/PATH`."""
        return self._answer("GET", path, params=parameters)

    def call(self, method: str, path: str, **content: Any) -> Any:
        """Return the answer of an API without an envelope, None if it is empty; `path` is the whole path."""
        response = self._request(method, path, **content)
        if not response.ok:
            raise PgwatchError(_refusal(response.status_code, response.text))
        try:
            return json.loads(response.text) if response.text.strip() else None
        except ValueError:
            raise PgwatchError(f"{self.url} is no pgwatch: its answer is no JSON") from None

    def download(self, path: str) -> bytes:
        """Return the answer of a path that gives no JSON."""
        response = self._request("GET", path)
        if not response.ok:
            raise PgwatchError(_refusal(response.status_code, response.text))
        return response.content

    def _answer(self, method: str, path: str, **content: Any) -> Any:
        response = self._request(method, f"api/v1/{path}", **content)
        try:
            answer = json.loads(response.text)
        except ValueError:
            raise PgwatchError(
                f"{self.url} is no Prometheus API: it answers {response.status_code} and no JSON"
            ) from None
        if not isinstance(answer, dict) or "status" not in answer:
            raise PgwatchError(f"{self.url} is no Prometheus API: its answer has no status")
        if answer["status"] != "success":
            raise PgwatchError(str(answer.get("error", "the query failed")))
        return answer

    def _request(self, method: str, path: str, **content: Any) -> "requests.Response":
        import requests  # noqa: PLC0415 - slow to import

        try:
            response = requests.request(
                method, f"{self.url}/{path}", timeout=_TIMEOUT, auth=self._login, **content
            )
        except requests.exceptions.SSLError:
            raise PgwatchError(
                f"the certificate of {self.url} is not trusted: name its authority's file in"
                " REQUESTS_CA_BUNDLE, and with --url a name that it is for"
            ) from None
        except requests.ConnectionError:
            raise UnansweredError(
                f"nothing answers at {self.url}: start `pgwatch run`, or name another address with --url"
            ) from None
        except requests.Timeout:
            raise PgwatchError(f"{self.url} does not answer within {_TIMEOUT} s") from None
        except requests.RequestException:
            raise PgwatchError(f"{self.url} gives no whole answer") from None
        if response.status_code == 401:
            raise PgwatchError(
                f"{self.url} does not know who asks: set {' and '.join(_LOGIN)} in the environment"
            )
        return response


def _without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return `url` without name and password, and these; the environment's where it has none."""
    parts = urlsplit(url)
    if parts.username is not None:
        place = parts.netloc.rpartition("@")[2]
        login = (unquote(parts.username), unquote(parts.password or ""))
        return urlunsplit(parts._replace(netloc=place)), login
    name, password = (os.environ.get(variable, "") for variable in _LOGIN)
    return url, (name, password) if name else None


def _refusal(status: int, text: str) -> str:
    """Return what an answer that is no success says: a JSON string, or an object with a text."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict):
        body = body.get("error") or body.get("message")
    return body if isinstance(body, str) and body else f"pgwatch answers {status}"


def _checked(url: str) -> str:
    """Return `url` without a slash at its end; raises InputError if nobody can be asked there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # its port is no number
        usable = False
    if not usable:
        # Not quoted: it may hold a password.
        message = "expected a URL such as http://127.0.0.1:9432"
        raise InputError([Problem(file="command line", path="--url", message=message)])
    return url.rstrip("/")


def _configured(arguments: argparse.Namespace) -> str:
    from pgwatch.config.schema import Settings  # noqa: PLC0415 - brings pydantic

    inputs = settings_inputs(arguments)
    settings = inputs.settings if inputs and inputs.settings else Settings()
    listen = settings.web.listen
    host = _ANYWHERE.get(listen.host, f"[{listen.host}]" if ":" in listen.host else listen.host)
    scheme = "https" if _speaks_tls(settings.web.config_file) else "http"
    return f"{scheme}://{host}:{listen.port}{settings.route_prefix}"


def _speaks_tls(file: Path | None) -> bool:
    if file is None:
        return False
    from pgwatch.config.web_file import load_web_file  # noqa: PLC0415 - brings pydantic

    return load_web_file(file).tls is not None
