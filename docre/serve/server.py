"""Starts the web server, and stops it so that nothing is lost."""

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from docre.errors import DocreError


def bind(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises DocreError if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        raise DocreError(f"{host} port {port}: {getattr(error, 'strerror', None) or error}") from None
    return made


def run(app: FastAPI, bound: socket.socket, timeout: float) -> None:
    """Serve until SIGINT or SIGTERM: then no connection is taken any more, and requests in flight are answered within
    `timeout` seconds."""
    # uvicorn stops at these signals, and raises them again at its end, which would end the process with an error
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ignore)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=int(timeout) + 5)
    Server(config).run(sockets=[bound])


class Server(uvicorn.Server):
    """Says where it is, once it takes connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            host, port = each.getsockname()[:2]
            print(f"docre: serving on http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C stops)", flush=True)


def ignore(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""
