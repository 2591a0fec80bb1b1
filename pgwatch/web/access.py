"""Who may change something."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

USER = "pgwatch.user"  # in a request's scope: who has proved who he is
_ELSEWHERE = "only clients on this machine may do this\n"


def not_allowed(request: Request) -> str | None:
    """Return why `request` may not change anything, None if it may.

    Users may. Without authentication only programs on this machine may: no browser, which any web site can
    make send a POST here (it then says its Origin), and nothing that a proxy on this machine passes on.
    """
    origin = request.headers.get("origin")
    if origin is not None and not (USER in request.scope and _is_of_host(origin, request)):
        return "a request with the header origin may not do this\n"
    return _stranger(request)


def not_our_form(request: Request, external_url: str) -> str | None:
    """Return why `request` may not send one of our forms, None if it may.

    A browser says from which site a form is. Ours are those under `external_url`, or under the address
    that the request names, if that is this machine's: a foreign name could lead here by a trick of its DNS.
    """
    origin = request.headers.get("origin")
    if origin is not None and not _is_own(origin, request, external_url):
        return "a form of another site may not do this\n"
    return _stranger(request)


def _stranger(request: Request) -> str | None:
    if USER in request.scope:
        return None
    host = request.client.host if request.client is not None else ""
    if not _is_loopback(host):
        return _ELSEWHERE
    for header in ("forwarded", "x-forwarded-for"):
        if header in request.headers:
            return f"a request with the header {header} may not do this\n"
    return None


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_own(origin: str, request: Request, external_url: str) -> bool:
    try:
        parts, own = urlsplit(origin), urlsplit(external_url)
        name = parts.hostname or ""
    except ValueError:
        return False
    if own.netloc and (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        return True
    # A browser gives a user's password to the site it was typed for, and to no other name of ours.
    known = USER in request.scope or name == "localhost" or _is_loopback(name)
    return known and _is_of_host(origin, request)


def _is_of_host(origin: str, request: Request) -> bool:
    host = request.headers.get("host", "")
    return origin.partition("://")[2] == host != ""
