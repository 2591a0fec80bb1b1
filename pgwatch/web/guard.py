"""Lets in who is a user of `web.config_file`, and adds the headers that it asks for."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

import bcrypt
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pgwatch.config.web_file import WebSecurity
from pgwatch.web.access import USER

_KNOWN: Final = 100  # pairs of name and password that are remembered as right
_AT_ONCE: Final = 2  # a check takes a tenth of a second of a processor
# What a name that nobody has is compared with, so that an answer takes as long as for one that is there.
_NOBODY: Final = "$2b$10$gQ8Gl0b/7Sc5DvkGFaVbvOTzeHSKB7dAHvxVvcyX2wYbAx3rFUTxK"


class Guard:
    """Stands before the application; `security` may be replaced while it serves."""

    def __init__(self, app: ASGIApp, security: WebSecurity) -> None:
        self.security = security
        self._app = app
        self._secret = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or let the application answer with `USER` in the scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        security = self.security
        if security.tls is not None and security.tls.knows_clients:
            scope[USER] = ""
        if security.users:
            name = await self._user(Headers(scope=scope).get("authorization", ""))
            if name is None:
                challenge = {"WWW-Authenticate": 'Basic realm="pgwatch", charset="UTF-8"'}
                refusal = PlainTextResponse("Unauthorized\n", 401, headers=challenge)
                await refusal(scope, receive, send)
                return
            scope[USER] = name
        await self._app(scope, receive, self._with_headers(send))

    def _with_headers(self, send: Send) -> Send:
        more = self.security.headers
        if not more:
            return send

        async def extended(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in more.items():
                    headers.setdefault(name, value)
            await send(message)

        return extended

    async def _user(self, authorization: str) -> str | None:
        """Return whose credentials a request has, None if they are nobody's."""
        kind, _, encoded = authorization.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            text = base64.b64decode(encoded.strip(), validate=True)
            name, colon, password = text.decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not colon:
            return None
        hashed = self.security.users.get(name)
        proof = hmac.digest(self._secret, f"{name}\0{hashed}\0{password}".encode(), hashlib.sha256)
        if proof in self._right:
            return name
        async with self._turns:
            right = await run_in_threadpool(_fits, password, hashed or _NOBODY)
        if not right or hashed is None:
            return None
        if len(self._right) >= _KNOWN:
            self._right.clear()
        self._right.add(proof)
        return name


def _fits(password: str, hashed: str) -> bool:
    try:
        # bcrypt knows 72 bytes; other implementations cut silently.
        return bcrypt.checkpw(password.encode()[:72], hashed.encode())
    except ValueError:
        return False
