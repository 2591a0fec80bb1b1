"""Whether the daemon of this machine is well: `python -m pgwatch.web.healthcheck`, for a container."""

import os
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_TIMEOUT = 4  # seconds; of the image's 5
_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - an address to ask
_ALIVE = frozenset({HTTPStatus.OK, HTTPStatus.UNAUTHORIZED})  # with users it answers nobody else


def complaint(listen: str) -> str:
    """Return why the daemon that listens at `listen` is not well, the empty string if it is.

    Where it asks for a name or a certificate, that it answers must do.
    """
    host, _, port = listen.rpartition(":")
    here = _ANYWHERE.get(host, host.strip("[]"))
    try:
        return _asked(HTTPConnection(here, int(port), timeout=_TIMEOUT))
    except (ConnectionResetError, HTTPException):
        pass  # it speaks TLS
    except OSError as error:
        return f"{listen}: {error}"
    # Whose certificate it is does not matter: nothing is told to it, and it is this machine.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    try:
        return _asked(HTTPSConnection(here, int(port), timeout=_TIMEOUT, context=trusting))
    except ssl.SSLError:
        return ""  # it wants to see a certificate
    except (OSError, HTTPException) as error:
        return f"{listen}: {error}"


def _asked(connection: HTTPConnection) -> str:
    try:
        connection.request("GET", "/")
        page = connection.getresponse()
        page.read()
        # `web.route_prefix`: the root leads to where all paths begin.
        beginning = urlsplit(page.headers.get("Location", "/")).path
        connection.request("GET", f"{beginning.rstrip('/')}/-/healthy")
        answer = connection.getresponse()
        said = answer.read().decode("utf-8", "replace").strip()
    finally:
        connection.close()
    return "" if answer.status in _ALIVE else f"{answer.status}: {said}"


if __name__ == "__main__":
    # A text is printed, and the status is 1.
    sys.exit(complaint(os.environ["PGWATCH__WEB__LISTEN"]) or 0)
