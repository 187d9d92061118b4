"""Files of tokens: who shows one of them is let in. They are made at the first start, for their owner alone.

A line is a token, and after a space whom it is for. A line that is added or taken away counts at once.
"""

import hmac
import logging
import secrets
from pathlib import Path

from chain.errors import ErrorCode, PoolError
from chain.primitives.keys import read_secret_file, write_secret_file

_TOKEN_BYTES = 32
_LENGTH_MIN = 32
_TOKENS_MAX = 64

_log = logging.getLogger("blockpool.tokens")


class TokenFile:
    """See the module.

    Raises:
        PoolError: codes ``bad_key``, ``key_permissions``, ``bad_configuration`` for a token that could be guessed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            write_secret_file(path, secrets.token_urlsafe(_TOKEN_BYTES).encode() + b"\n")
        self._version = self._look()
        self.tokens = _read(path)

    def has(self, token: str) -> bool:
        """Whether a token is in the file now."""
        version = self._look()
        if version != self._version:
            self._version = version
            try:
                self.tokens = _read(self._path)
            except PoolError as error:
                self.tokens = ()
                _log.error("no token is good any more", extra={"reason": str(error)})
        shown = token.encode()
        return sum(hmac.compare_digest(shown, known.encode()) for known in self.tokens) > 0

    def _look(self) -> tuple[int, int, int]:
        """What changes with the file."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> tuple[str, ...]:
    lines = read_secret_file(path).decode("utf-8", "replace").splitlines()
    tokens = tuple(line.split()[0] for line in lines if line.strip())
    if not 1 <= len(tokens) <= _TOKENS_MAX:
        raise PoolError(ErrorCode.BAD_CONFIGURATION, f"{path}: it holds 1 to {_TOKENS_MAX} tokens, each in a line")
    for token in tokens:
        if len(token) < _LENGTH_MIN or not token.isascii() or not token.isprintable():
            raise PoolError(
                ErrorCode.BAD_CONFIGURATION,
                f"{path}: a token has at least {_LENGTH_MIN} characters; remove the file to get a new one",
            )
    return tokens
