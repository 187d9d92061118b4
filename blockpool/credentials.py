"""Who asks: what a client shows a node that does not answer strangers.

A node is shown nothing until it asks (401): then the token of its department, where that is at hand, or else the
member's signature. A token goes to its own node alone.
"""

import os
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from blockpool.identity import Identity
from chain.primitives.keys import read_secret_file
from chain.signed_read import sign_read

HOME_VARIABLE = "BLOCKPOOL_HOME"
TOKEN_VARIABLE = "BLOCKPOOL_TOKEN_FILE"  # noqa: S105  # a variable's name
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::", "")  # noqa: S104  # where a node listens, not this program


class Credentials:
    """See the module.

    Args:
        identity: gives who signs, when it is needed; None where nobody can.
        tokens: by the URL of the node that takes it.
        homes: of nodes on this machine, whose tokens are found there.
    """

    def __init__(
        self,
        identity: Callable[[], Identity] | None = None,
        tokens: Mapping[str, str] | None = None,
        homes: Iterable[Path] = (),
    ) -> None:
        self._identity = identity
        self._tokens = {url.rstrip("/"): token for url, token in (tokens or {}).items()}
        self._homes = tuple(homes)
        self.are_wanted = False
        """Whether a node has asked for them."""

    def authorization(self, chain_id: Callable[[], bytes], url: str, method: str, target: str) -> str | None:
        """What to show the node at ``url``; None if there is nothing."""
        token = self._tokens.get(url) or self._found_token(url)
        if token is not None:
            return f"Bearer {token}"
        if self._identity is None:
            return None
        identity = self._identity()
        now_ms = time.time_ns() // 1_000_000
        return sign_read(chain_id(), identity.member, identity.signer, method, target, now_ms)

    def _found_token(self, url: str) -> str | None:
        for home in self._homes:
            token = token_of(home, url)
            if token is not None:
                self._tokens[url] = token
                return token
        return None


class Surroundings(NamedTuple):
    """What a program finds around it, for clients that are made without more."""

    homes: tuple[Path, ...] = ()
    """Of nodes on this machine."""
    identity: Callable[[], Identity] | None = None


_NOTHING = Surroundings()
surroundings: ContextVar[Surroundings] = ContextVar("surroundings", default=_NOTHING)


def default_credentials(identity: Identity | None, urls: Sequence[str]) -> Credentials:
    """The identity's signature, else that of the surroundings; tokens from the homes that are known and those that
    ``BLOCKPOOL_HOME`` names, separated as in ``PATH``; for the first node the token in ``BLOCKPOOL_TOKEN_FILE``.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions`` for that file.
    """
    found = surroundings.get()
    tokens = {}
    if (token_file := os.environ.get(TOKEN_VARIABLE)) and urls:
        tokens[urls[0]] = read_secret_file(Path(token_file)).decode("ascii", "replace").split()[0]
    named = [Path(part) for part in os.environ.get(HOME_VARIABLE, "").split(os.pathsep) if part]
    signs = found.identity if identity is None else lambda: identity
    return Credentials(signs, tokens, [*found.homes, *named])


def token_of(home: Path, url: str) -> str | None:
    """The token of the node whose home is ``home``, if that is the one at ``url`` and we may read it."""
    try:
        section = tomllib.loads((home / "config.toml").read_text(encoding="utf-8"))["api"]
        host, _, port = section["listen"].rpartition(":")
        asked = urlsplit(url)
        if asked.port != int(port) or not _is_same(asked.hostname or "", host.strip("[]")):
            return None
        lines = (home / section.get("token_file", "api.token")).read_text(encoding="utf-8").split()
    except (OSError, KeyError, ValueError, TypeError, AttributeError):
        return None
    return lines[0] if lines else None


def _is_same(asked: str, listening: str) -> bool:
    """Whether a node that listens there is the one that is asked, on this machine."""
    return asked == listening or (asked in _LOOPBACK and listening in (*_LOOPBACK, *_ANY))
