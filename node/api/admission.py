"""Who may ask: addresses that are let in at all, and, for whatever may name persons, members and those with a token.

What is public is a list, and all else is not: a route that is added is closed until somebody opens it.
"""

import ipaddress

from chain.errors import ErrorCode, PoolError, Refusal
from chain.ledger import Ledger
from chain.signed_read import parse_authorization, verify_read
from chain.state.members import signing_key
from node.api.bodies import AsgiApp, Receive, Scope, Send, hear_language, refuse
from node.config import ApiSection, parse_networks
from node.service import NodeService
from node.tokens import TokenFile

_PUBLIC = frozenset(
    (
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/v1/blocks",
        "/v1/checkpoint",
        "/v1/contracts",
        "/v1/datasets",
        "/v1/events",
        "/v1/genesis",
        "/v1/handovers",
        "/v1/history/consistency",
        "/v1/history/inclusion",
        "/v1/members",
        "/v1/misbehaviour",
        "/v1/shares",
        "/v1/status",
    )
)
_PUBLIC_BELOW = ("/v1/contracts/", "/v1/members/", "/v1/misbehaviour/")
_PUBLIC_STATE = ("contract/", "dataset/", "dataset-totals/", "member/", "member-totals/", "protocol", "validators")
_BEARER = "bearer "


def is_public(path: str) -> bool:
    """Whether a stranger may read what is at a path."""
    if path in _PUBLIC or path.startswith(_PUBLIC_BELOW):
        return True
    if path.startswith("/v1/state/"):
        return path.removeprefix("/v1/state/").startswith(_PUBLIC_STATE)
    if path.startswith("/v1/datasets/"):
        return not path.endswith(("/reads", "/records"))
    return path.startswith("/v1/parcels/") and path.endswith("/derived")


class Addresses:
    """ASGI application that lets in who comes from one of some networks.

    Args:
        app: for those.
        section: of the configuration; without networks everybody is let in.
    """

    def __init__(self, app: AsgiApp, section: ApiSection) -> None:
        self._app = app
        self._networks = parse_networks(section.allow)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        hear_language(scope)
        if self._networks and not self._is_allowed(scope):
            error = PoolError(ErrorCode.ADDRESS_REFUSED, "this node answers other addresses than yours")
            await refuse(send, error, {"Connection": "close"})
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address(scope["client"][0].partition("%")[0])
        except (KeyError, TypeError, ValueError):
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


class Admission:
    """ASGI application that asks for a member's signature or a token where a path is not public.

    Args:
        app: for those who are let in.
        service: of the node.
        tokens: of its department.
    """

    def __init__(self, app: AsgiApp, service: NodeService, tokens: TokenFile) -> None:
        self._app = app
        self._service = service
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            if not is_public(scope["path"]):
                self._verify(scope)
        except PoolError as error:
            if error.code.is_storage:
                self._service.fail(error)
            challenge = {"WWW-Authenticate": "Blockpool, Bearer"} if error.code.info.http_status == 401 else {}
            await refuse(send, error, challenge)
            return
        await self._app(scope, receive, send)

    def _verify(self, scope: Scope) -> None:
        """Check who asks.

        Raises:
            PoolError: codes ``credentials_missing``, ``credentials_refused``.
        """
        shown = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        if not shown:
            raise PoolError(
                ErrorCode.CREDENTIALS_MISSING, "what is here may name persons: members and those with a token read it"
            )
        if len(shown) > 1:
            raise PoolError(ErrorCode.CREDENTIALS_REFUSED, "there is more than one Authorization")
        if shown[0].lower().startswith(_BEARER):
            if not self._tokens.has(shown[0][len(_BEARER) :].strip()):
                raise PoolError(ErrorCode.CREDENTIALS_REFUSED, "the token is not one of this node's")
            return
        self._verify_signature(shown[0], scope)

    def _verify_signature(self, value: str, scope: Scope) -> None:
        shown, ledger = parse_authorization(value), self._service.ledger
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        key = _key(ledger, shown.member, shown.key_id)
        verify_read(ledger.chain_id, key, shown, scope["method"], target, self._service.pool.clock_ms())


def _key(ledger: Ledger, member: str, key_id: bytes) -> bytes:
    """The key that a member may sign with now; raises ``credentials_refused``."""
    try:
        return signing_key(ledger.member(member), member, key_id, ledger.tip.height + 1)
    except Refusal as refusal:
        raise PoolError(ErrorCode.CREDENTIALS_REFUSED, refusal.detail) from None
