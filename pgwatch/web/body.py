"""The body of a request, as far as we take one."""

from starlette.requests import Request


async def body_of(request: Request, most: int) -> bytes | None:
    """Return the body, None as soon as it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
