"""The HTTP server: uvicorn inside the node's own event loop, on a socket that was bound beforehand."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn

from chain.errors import ErrorCode, PoolError
from node.api.bodies import AsgiApp
from node.api.protocol import bounded_protocol

_KEEP_ALIVE_S = 30
_SHUTDOWN_S = 5


def bind(host: str, port: int, setting: str = "api.listen") -> socket.socket:
    """A listening socket; ``setting`` is where its address comes from.

    Raises:
        PoolError: codes ``port_in_use``, ``bad_configuration``.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except socket.gaierror as error:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{setting}: {host}: {error.strerror}") from None
    except OSError as error:
        code = ErrorCode.PORT_IN_USE if error.errno == errno.EADDRINUSE else ErrorCode.BAD_CONFIGURATION
        raise PoolError(code, f"{setting}: {host}:{port}: {error.strerror}") from None
    return sock


class ApiServer:
    """Serves one application until it is stopped."""

    def __init__(self, app: AsgiApp, sock: socket.socket, connections: int, connections_per_address: int) -> None:
        config = uvicorn.Config(
            app,
            http=bounded_protocol(connections, connections_per_address),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=1024,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        self._server = _Server(config)
        self._sock = sock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve from now on."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve([self._sock]))
        await self._server.is_listening.wait()

    async def stop(self) -> None:
        """Finish what is being served, for a few seconds, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    """Leaves signals to the daemon, which stops the node in its own order, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
