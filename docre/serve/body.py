"""Reads the body of a request within limits, before anything else sees it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class LimitBody:
    """ASGI middleware that answers 413 to a body of more than `max_bytes`, and 408 to one that takes more than
    `seconds` to arrive. The other bodies are passed on whole, and those that break off not at all."""

    def __init__(self, app: App, max_bytes: int, seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(self.read(receive), self.seconds)
        except ConnectionError:
            await refuse(send, 499, "the client has closed the connection")  # for what counts requests
            return
        except asyncio.TimeoutError:
            await refuse(send, 408, f"the request did not arrive within {self.seconds:g} seconds")
            return
        if body is None:
            await refuse(send, 413, f"the request has more than {self.max_bytes:,} bytes")
            return
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or await receive()

        await self.app(scope, replay, send)

    async def read(self, receive: Receive) -> bytes | None:
        """The body, or None if it is too long. Raises ConnectionError if the client closed the connection before."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            body += message.get("body", b"")
            if len(body) > self.max_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with an error, and close the connection, since the rest of the body is not read."""
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": message}).encode()})
