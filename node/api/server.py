"""The HTTP server: uvicorn inside the node's own event loop, on a socket that was bound beforehand."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvicorn

from chain.errors import ErrorCode, PoolError
from node.api.bodies import AsgiApp
from node.api.protocol import bounded_protocol
from node.config import NodeConfig

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


class TlsFiles(NamedTuple):
    """What the API proves itself with to browsers and clients; links between nodes have certificates of their own."""

    certificate: Path
    key: Path
    passphrase: str | None

    @classmethod
    def of(cls, config: NodeConfig) -> "TlsFiles | None":
        """Those that a configuration names, read once to see whether they can be used; None for plain HTTP.

        Raises:
            PoolError: code ``bad_configuration``.
        """
        section = config.file.api
        if section.tls_certificate is None or section.tls_key is None:
            return None
        files = cls(config.path(section.tls_certificate), config.path(section.tls_key), config.passphrase)
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
        except OSError as error:  # ssl.SSLError is one
            raise PoolError(ErrorCode.BAD_CONFIGURATION, f"api.tls_certificate, api.tls_key: {error}") from None
        return files


class ApiServer:
    """Serves one application until it is stopped."""

    def __init__(
        self,
        app: AsgiApp,
        sock: socket.socket,
        connections: int,
        connections_per_address: int,
        tls: TlsFiles | None = None,
    ) -> None:
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
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
            ssl_keyfile_password=None if tls is None else tls.passphrase,
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
