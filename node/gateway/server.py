"""Opening the gateway and the webhook that a node's configuration asks for."""

from chain.errors import ErrorCode, PoolError
from chain.primitives.keys import load_signer
from node.api.server import ApiServer, bind
from node.config import GatewaySection, is_loopback, split_address
from node.gateway.app import Gateway
from node.gateway.posts import Posts
from node.gateway.webhook import Webhook
from node.service import NodeService
from node.tokens import TokenFile

_CONNECTIONS = 64


def open_gateway(service: NodeService) -> ApiServer | None:
    """The gateway's server, bound and not yet started; None if the configuration has no gateway.

    Whether the key signs for the node's member is a matter of the state, which a node that joins has yet to learn: each
    post finds out (``unknown_key``, ``revoked_key``).

    Raises:
        PoolError: codes ``bad_configuration``, ``bad_key``, ``key_permissions``, ``wrong_passphrase``,
            ``port_in_use``.
    """
    config = service.home.config
    section = config.file.gateway
    if section is None:
        return None
    if not is_loopback(section.listen):
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"gateway.listen: {section.listen} can be reached from elsewhere")
    signer = load_signer(config.path(section.system_key), config.passphrase)
    tokens = TokenFile(config.path(section.token_file))
    sock = bind(*split_address(section.listen), setting="gateway.listen")
    gateway = Gateway(service, signer, tokens, _hosts(section), Posts(service.home.data / "gateway"))
    return ApiServer(gateway, sock, _CONNECTIONS, _CONNECTIONS)


def open_webhook(service: NodeService) -> Webhook | None:
    """The gateway's webhook, not yet started; None if the configuration names no receiver.

    Raises:
        PoolError: as ``open_gateway``, but ``port_in_use``; ``storage_failed``, ``disk_full``.
    """
    config = service.home.config
    section = config.file.gateway
    if section is None or not section.webhook_url:
        return None
    signer = load_signer(config.path(section.system_key), config.passphrase)
    return Webhook(service, signer, section.webhook_url, service.home.data / "gateway" / "WEBHOOK")


def _hosts(section: GatewaySection) -> frozenset[str]:
    """What may stand in ``Host``: the names that this machine alone is called by."""
    host, port = split_address(section.listen)
    names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host.lower()}
    return frozenset(f"{name}:{port}" for name in names)
