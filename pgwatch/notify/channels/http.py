"""The one way in which channels speak HTTP: secrets stay secret, limits hold, refusals are errors."""

import base64
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning

from pgwatch import __version__
from pgwatch.errors import PgwatchError
from pgwatch.notify.channels.base import DeliveryError, refusal
from pgwatch.notify.channels.oauth2 import TokenSource
from pgwatch.notify.channels.proxy import is_exempt, proxy_of_environment
from pgwatch.notify.channels.tls import tls_context
from pgwatch.notify.http_settings import HttpSettings, OAuth2Settings, ProxySettings, TlsSettings
from pgwatch.notify.receiver import secret_parts
from pgwatch.secret import Secret, redact

_TIMEOUT: Final = timedelta(seconds=10)
_CONNECT_TIMEOUT: Final = 5.0  # seconds
_READ: Final = 16_384  # bytes of an answer; a receiver may send megabytes of HTML


class HttpSender:
    """Sends JSON to addresses that may be secret, with a time limit, and turns refusals into errors."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._timeout = (settings.timeout or _TIMEOUT) / timedelta(seconds=1)
        self._session = _session(settings.tls, [name for name, _ in settings.headers])
        self._tokens: TokenSource | None = None
        self._token_session: requests.Session | None = None
        if settings.oauth2 is not None:
            self._tokens = TokenSource(settings.oauth2, self._post_form)
            self._token_session = _session(settings.oauth2.tls, ())

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()
        if self._token_session is not None:
            self._token_session.close()

    def post(
        self,
        url: Secret | str,
        payload: Any,
        *,
        key: str = "",
        headers: Mapping[str, Secret | str] | None = None,
        method: str = "POST",
        hide: Sequence[str] = (),
    ) -> str:
        """Send `payload` as JSON, with `key` by which the receiver may know a repeat; returns the answer.

        That is its first 16 KB, for the channel to read.
        Raises DeliveryError.
        """
        secrets = list(hide)  # that stand in the payload, and an answer may quote
        try:
            address = _revealed(url, secrets)
            if isinstance(url, Secret):
                secrets += secret_parts(address)  # what a receiver may quote in its answer
            response = self._session.request(
                method,
                address,
                data=json.dumps(payload, ensure_ascii=False).encode(),
                headers=self._headers(secrets, headers or {}, key),
                proxies=_proxies(address, self._settings.proxy, secrets),
                timeout=(min(_CONNECT_TIMEOUT, self._timeout), self._timeout),
                allow_redirects=self._settings.follow_redirects,
                stream=True,
            )
        except requests.RequestException as error:
            # The library's own texts quote the address, so only the kind of failure is told.
            raise _unreachable(error) from None
        except DeliveryError:
            raise
        except (PgwatchError, ValueError) as error:
            raise _misconfigured(error) from None
        with response:
            body = redact(_start_of(response), secrets)
        if response.status_code == 401 and self._tokens is not None:
            self._tokens.forget()
        _refuse_redirect(response, method)
        if not 200 <= response.status_code < 300:
            raise refusal(response.status_code, body, response.headers)
        return body

    def _headers(
        self, secrets: list[str], more: Mapping[str, Secret | str], key: str
    ) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= self._authorization(secrets)
        own = (*more.items(), *self._settings.headers)
        return headers | {name: _revealed(value, secrets) for name, value in own}

    def _authorization(self, secrets: list[str]) -> dict[str, str]:
        settings = self._settings
        if settings.username:
            user = settings.username
            user = user.reveal() if isinstance(user, Secret) else user
            password = "" if settings.password is None else _revealed(settings.password, secrets)
            return {"Authorization": _basic(user, password, secrets)}
        if self._tokens is not None:
            return {"Authorization": f"Bearer {_revealed(self._tokens.token(), secrets)}"}
        if settings.authorization is None:
            return {}
        credentials = _revealed(settings.authorization, secrets)
        return {"Authorization": f"{settings.authorization_type} {credentials}"}

    def _post_form(self, form: dict[str, str], user: str, password: str) -> str:
        """Post a form to the token server."""
        settings = self._settings.oauth2
        assert isinstance(settings, OAuth2Settings)
        assert self._token_session is not None
        secrets = [password, *settings.endpoint_params.values()]
        # RFC 6749, 2.3.1: both are form-encoded first.
        basic = _basic(quote(user, safe=""), quote(password, safe=""), secrets)
        try:
            response = self._token_session.post(
                settings.token_url,
                data=form,
                headers={"Authorization": basic},
                proxies=_proxies(settings.token_url, settings.proxy, secrets),
                timeout=(min(_CONNECT_TIMEOUT, self._timeout), self._timeout),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise _unreachable(error) from None
        with response:
            body = _start_of(response)
        if response.status_code != 200:
            raise refusal(response.status_code, redact(body, secrets), response.headers)
        return body


class _Session(requests.Session):
    """Does not carry secret headers along when it is sent to another host."""

    secret_headers: tuple[str, ...] = ()

    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        """Strip what the other host must not see."""
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        there, here = prepared_request.url, response.request.url
        if self.should_strip_auth(here, there):  # type: ignore[no-untyped-call]
            for name in self.secret_headers:
                prepared_request.headers.pop(name, None)


class _Adapter(HTTPAdapter):
    """Uses one TLS context for all addresses, instead of the library's choice."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._pool_attributes: dict[str, Any] = {"ssl_context": context}
        if server_name:
            self._pool_attributes["server_hostname"] = server_name
            if context.check_hostname:
                self._pool_attributes["assert_hostname"] = server_name
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return what tells connections apart."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, dict(self._pool_attributes) if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the context as it is."""


class _LazyAdapter(HTTPAdapter):
    """Reads certificates at the first use, so that a bad file is an error of delivery, not of the start."""

    def __init__(self, tls: TlsSettings) -> None:
        super().__init__()
        self._tls = tls
        self._adapter: _Adapter | None = None

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, through the adapter that has the context."""
        if self._adapter is None:
            context = tls_context(self._tls, DEFAULT_CA_BUNDLE_PATH)
            if self._tls.insecure_skip_verify:  # the configuration has said so
                disable_warnings(InsecureRequestWarning)
            self._adapter = _Adapter(context, self._tls.server_name)
        return self._adapter.send(*args, **kwargs)

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self._adapter is not None:
            self._adapter.close()


def _session(tls: TlsSettings, secret_headers: Any) -> requests.Session:
    session = _Session()
    session.secret_headers = ("GenieKey", *secret_headers)
    session.trust_env = False  # a .netrc must not decide who is told what
    session.headers["User-Agent"] = f"pgwatch/{__version__}"
    session.mount("https://", _LazyAdapter(tls))
    return session


def _proxies(url: str, settings: ProxySettings, secrets: list[str]) -> dict[str, str] | None:
    if settings.from_environment:
        proxy = _revealed(proxy_of_environment(url, os.environ), secrets)
    elif settings.url is not None and not is_exempt_by_list(url, settings.no_proxy):
        proxy = _revealed(settings.url, secrets)
    else:
        proxy = ""
    return {"http": proxy, "https": proxy} if proxy else None


def is_exempt_by_list(url: str, no_proxy: str) -> bool:
    """Return whether a list names `url`; without one a configured proxy is used for this machine, too."""
    return bool(no_proxy) and is_exempt(url, no_proxy)


def _refuse_redirect(response: requests.Response, method: str) -> None:
    status = response.status_code
    if response.request.method != method or 300 <= status < 400:
        status = response.history[0].status_code if response.history else status
        raise DeliveryError(
            f"the receiver redirects ({status}), which loses the message; "
            "configure the address that it redirects to",
            broken=True,
        )


def _basic(user: str, password: str, secrets: list[str]) -> str:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Basic {_revealed(token, secrets)}"


def _revealed(secret: Secret | str, secrets: list[str]) -> str:
    text = secret.reveal() if isinstance(secret, Secret) else secret
    secrets.append(text)
    return text


def _start_of(response: requests.Response) -> str:
    try:
        start = next(response.iter_content(_READ), b"")
    except requests.RequestException:  # the status was read, and that is what counts
        return ""
    return start.decode("utf-8", errors="replace")


def _unreachable(error: requests.RequestException) -> DeliveryError:
    cause = next((text for kind, text in _CAUSES if isinstance(error, kind)), type(error).__name__)
    return DeliveryError(f"cannot reach the receiver: {cause}")


def _misconfigured(error: Exception) -> DeliveryError:
    reason = str(error) if isinstance(error, PgwatchError) else "its address is not valid"
    return DeliveryError(reason, broken=True)


_CAUSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.SSLError, "its TLS certificate is not accepted, or TLS fails"),
    (requests.exceptions.ProxyError, "the proxy does not answer or refuses"),
    (requests.ConnectionError, "no connection"),
    (requests.TooManyRedirects, "too many redirects"),
    (requests.exceptions.InvalidHeader, "the authorization is not valid"),
    (ValueError, "its address is not valid"),  # InvalidURL and its kin
)
