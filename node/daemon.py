"""The daemon: opens its home, runs the node until a signal or a fatal error, and says why it ends.

Exit codes: 0 stopped in good order; 1 the node's data cannot be trusted (damaged, disk full, storage failed) or its
contract engine is lost; 2 something about its configuration, keys, ports or version is wrong.
"""

import asyncio
import errno
import gc
import importlib.metadata
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import uvloop

from chain.errors import ErrorCode, PoolError
from node.api.app import make_app
from node.api.server import ApiServer, TlsFiles, bind
from node.config import NodeConfig, load_config, split_address
from node.descriptors import servable_connections
from node.engine_process import make_engine
from node.gateway import open_gateway, open_webhook
from node.gateway.webhook import Webhook
from node.home import Home, open_home
from node.log import set_up_logging
from node.recovery import note_damage, open_recovered
from node.service import NodeService

EXIT_OK = 0
EXIT_UNTRUSTED = 1
EXIT_USAGE = 2

_SWITCH_INTERVAL_S = 0.0005
"""How long a worker thread waits for the interpreter while the loop is busy; Python's own 5 ms would delay every
read.
"""

_GC_THRESHOLD = 50_000

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger("blockpool.daemon")


class _Stopped(BaseException):
    """A signal came before the node served: its databases are being opened, which survives a crash at any point."""


def _stop_at_once(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def run(home: Path, *, resync: bool = False) -> int:
    """Run the node whose home is ``home``; returns the process's exit code.

    Args:
        home: folder with ``config.toml`` and what it names.
        resync: set the databases aside and fetch the chain from the peers.
    """
    os.umask(0o077)  # what the node writes is for nobody else on this machine
    try:
        _stop_at_signals()
        config = load_config(home)
        set_up_logging(config.file.log.level, config.file.log.format)
        while (ended := uvloop.run(_run(config, resync))) is None:
            resync = False
            _stop_at_signals()
        return ended
    except _Stopped:
        _log.info("stopped before it was ready")
        return EXIT_OK
    except PoolError as error:
        return _refuse(error)
    except OSError as error:
        code = ErrorCode.DISK_FULL if error.errno == errno.ENOSPC else ErrorCode.STORAGE_FAILED
        return _refuse(PoolError(code, str(error)))


def _stop_at_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, _stop_at_once)


async def _run(config: NodeConfig, resync: bool) -> int | None:
    """Run the node until it stops; None if it starts again, with a chain that it has taken from its peers."""
    home = open_home(config)
    engine = make_engine(home)
    try:
        sock = bind(*split_address(config.file.api.listen))
        ledger = open_recovered(home, resync=resync, engine=engine)
        stop, signalled = asyncio.Event(), _set_by_signals()
        service = NodeService(home, ledger, stop.set, importlib.metadata.version("blockpool"), engine)
        api = config.file.api
        connections = servable_connections(api.connections)
        tls = TlsFiles.of(config)
        servers: list[ApiServer | Webhook] = [
            ApiServer(make_app(service), sock, connections, api.connections_per_address, tls)
        ]
        if (gateway := open_gateway(service)) is not None:
            servers.append(gateway)
        if (webhook := open_webhook(service)) is not None:
            servers.append(webhook)
        await service.start()
        for server in servers:
            await server.start()
        _prepare_process()
        _log.info(
            "ready",
            extra={
                "member": home.member.name,
                "chain": home.genesis.chain_id.hex()[:16],
                "height": ledger.tip.height,
                "api": config.file.api.listen,
                "peer": config.file.peer.listen,
            },
        )
        await _first_of(stop, signalled)
        _log.info("stopping")
        service.pool.close()
        for server in servers:
            await server.stop()
        await service.stop()
        _log.info("stopped", extra={"height": ledger.tip.height})
        if service.fatal is not None:
            return _explain(home, service.fatal)
        return None if service.must_restart and not signalled.is_set() else EXIT_OK
    finally:
        if engine is not None:
            engine.close()
        home.lock.close()


def _set_by_signals() -> asyncio.Event:
    """Set by a signal from now on: the node stops in good order."""
    signalled, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signalled.set)
    return signalled


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for future in waiting:
        future.cancel()


def _prepare_process() -> None:
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Everything loaded so far stays for good: keep it out of every later collection. What comes later is freed by
    # counting references; the collector only has to find the rare cycle.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)


def _explain(home: Home, error: Exception) -> int:
    if isinstance(error, PoolError):
        if error.code is ErrorCode.DATABASE_DAMAGED:
            note_damage(home)
        return _refuse(error)
    print(f"blockpool: stopped on an internal error: {error}", file=sys.stderr)
    return EXIT_UNTRUSTED


def _refuse(error: PoolError) -> int:
    print(f"blockpool: {error}\n  code: {error.code}\n  what to do: {error.advice}", file=sys.stderr)
    is_passing = error.code.is_storage or error.code is ErrorCode.ENGINE_DAMAGED
    return EXIT_UNTRUSTED if is_passing else EXIT_USAGE
